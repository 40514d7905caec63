//! Values of a policy's functions as JSON and back, by the types that the
//! component itself has: whatever `wit/` gets, nothing here has to know it.
//!
//! Records are objects, variants `{case: payload}` or the case alone, options
//! null or the value, results `{ok: …}` or `{error: …}`, bytes a text. What is
//! left out is the emptiest value of its type: none, no text, 0, no items, the
//! first case.

use serde_json::{Map, Value as Json, json};
use wasmtime::component::{Type, Val};

/// A value of a type; `at` is where it stands, for messages.
pub fn value(ty: &Type, given: Option<&Json>, at: &str) -> Result<Val, String> {
    let given = given.filter(|json| !json.is_null());
    let wrong = |what: &str| match given {
        Some(Json::Number(_)) if matches!(ty, Type::String) => Err(format!("`{at}` is to be a text: put it in quotes")),
        Some(given) => Err(format!("`{at}` is to be {what}, not {}", short(given))),
        None => Err(format!("`{at}` is missing: it is {what}")),
    };
    Ok(match ty {
        Type::Bool => Val::Bool(match given {
            None => false,
            Some(Json::Bool(flag)) => *flag,
            Some(_) => return wrong("true or false"),
        }),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let number = given.map_or(Some(0), Json::as_u64);
            let fitting = match (ty, number) {
                (Type::U8, Some(number)) => u8::try_from(number).ok().map(Val::U8),
                (Type::U16, Some(number)) => u16::try_from(number).ok().map(Val::U16),
                (Type::U32, Some(number)) => u32::try_from(number).ok().map(Val::U32),
                (_, number) => number.map(Val::U64),
            };
            match fitting {
                Some(value) => value,
                None => return wrong("a whole number"),
            }
        }
        Type::String => Val::String(match given {
            None => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(_) => return wrong("a text"),
        }),
        Type::List(list) => match given {
            None => Val::List(Vec::new()),
            Some(Json::String(text)) if list.ty() == Type::U8 => Val::List(text.bytes().map(Val::U8).collect()),
            Some(Json::Array(items)) => {
                let one = |(n, item)| value(&list.ty(), Some(item), &format!("{at}[{n}]"));
                Val::List(items.iter().enumerate().map(one).collect::<Result<_, _>>()?)
            }
            Some(_) => return wrong("a list"),
        },
        Type::Tuple(tuple) => {
            let types: Vec<_> = tuple.types().collect();
            let items = match given {
                None => &[][..],
                Some(Json::Array(items)) if items.len() == types.len() => items,
                Some(_) => return wrong(&format!("a list of {}", types.len())),
            };
            let one = |(n, ty)| value(ty, items.get(n), &format!("{at}[{n}]"));
            Val::Tuple(types.iter().enumerate().map(one).collect::<Result<_, _>>()?)
        }
        Type::Record(record) => {
            let fields: Vec<_> = record.fields().map(|field| (field.name.to_owned(), field.ty)).collect();
            let none = Map::new();
            let object = match given {
                None => &none,
                Some(Json::Object(object)) => object,
                Some(_) => {
                    return wrong(&format!("a section of {}", names(fields.iter().map(|(name, _)| name.as_str()))));
                }
            };
            known(object, fields.iter().map(|(name, _)| name.as_str()), at)?;
            let one = |(name, ty): &(String, Type)| {
                Ok::<_, String>((name.clone(), value(ty, object.get(name), &below(at, name))?))
            };
            Val::Record(fields.iter().map(one).collect::<Result<_, _>>()?)
        }
        Type::Enum(cases) => {
            let all: Vec<_> = cases.names().collect();
            let name = match given {
                None => all.first().copied().unwrap_or_default(),
                Some(Json::String(name)) if all.contains(&name.as_str()) => name,
                Some(_) => return wrong(&format!("one of {}", names(all.iter().copied()))),
            };
            Val::Enum(name.to_owned())
        }
        Type::Variant(variant) => {
            let cases: Vec<_> = variant.cases().map(|case| (case.name.to_owned(), case.ty)).collect();
            let (name, payload) = match given {
                None => (cases.first().map(|(name, _)| name.as_str()).unwrap_or_default(), None),
                Some(Json::String(name)) => (name.as_str(), None),
                Some(Json::Object(object)) if object.len() == 1 => match object.iter().next() {
                    Some((name, payload)) => (name.as_str(), Some(payload)),
                    None => ("", None),
                },
                Some(_) => ("", None),
            };
            match cases.iter().find(|(case, _)| case == name) {
                Some((_, Some(ty))) => {
                    Val::Variant(name.to_owned(), Some(Box::new(value(ty, payload, &below(at, name))?)))
                }
                Some((_, None)) if payload.is_none_or(Json::is_null) => Val::Variant(name.to_owned(), None),
                _ => return wrong(&format!("one of {}", names(cases.iter().map(|(name, _)| name.as_str())))),
            }
        }
        Type::Option(option) => Val::Option(match given {
            None => None,
            some => Some(Box::new(value(&option.ty(), some, at)?)),
        }),
        _ => return Err(format!("`{at}` is of a type that cannot be written here")),
    })
}

/// A value as JSON.
pub fn json(value: &Val) -> Json {
    match value {
        Val::Bool(flag) => json!(flag),
        Val::S8(number) => json!(number),
        Val::U8(number) => json!(number),
        Val::S16(number) => json!(number),
        Val::U16(number) => json!(number),
        Val::S32(number) => json!(number),
        Val::U32(number) => json!(number),
        Val::S64(number) => json!(number),
        Val::U64(number) => json!(number),
        Val::Float32(number) => json!(number),
        Val::Float64(number) => json!(number),
        Val::Char(c) => json!(c),
        Val::String(text) | Val::Enum(text) => json!(text),
        Val::List(items) => {
            let bytes: Option<Vec<u8>> = items
                .iter()
                .map(|item| if let Val::U8(byte) = item { Some(*byte) } else { None })
                .collect::<Option<_>>()
                .filter(|bytes: &Vec<u8>| !bytes.is_empty());
            match bytes {
                Some(bytes) => json!(String::from_utf8_lossy(&bytes)),
                None => Json::Array(items.iter().map(json).collect()),
            }
        }
        Val::Tuple(items) => Json::Array(items.iter().map(json).collect()),
        Val::Record(fields) => Json::Object(fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()),
        Val::Variant(name, None) => json!(name),
        Val::Variant(name, Some(payload)) => json!({name: json(payload)}),
        Val::Option(None) => Json::Null,
        Val::Option(Some(value)) => json(value),
        Val::Result(Ok(value)) => json!({"ok": value.as_deref().map(json)}),
        Val::Result(Err(value)) => json!({"error": value.as_deref().map(json)}),
        Val::Flags(names) => json!(names),
        _ => json!("?"),
    }
}

/// That an object has no other names than these.
pub fn known<'a>(
    object: &Map<String, Json>,
    known: impl Iterator<Item = &'a str> + Clone,
    at: &str,
) -> Result<(), String> {
    match object.keys().find(|name| known.clone().all(|known| known != name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("there is no `{}`: `{at}` has {}", below(at, name), names(known))),
    }
}

fn below(at: &str, name: &str) -> String {
    format!("{at}.{name}")
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn short(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
