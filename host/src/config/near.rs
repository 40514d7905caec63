//! Did you mean …?

use super::schema::{Field, Kind, ROOT, fields};

/// The field that an unknown name most likely stands for.
pub(super) fn field(name: &str, among: &'static [Field]) -> Option<&'static Field> {
    let plain = folded(name);
    if plain.is_empty() || plain.len() > 64 {
        return None;
    }
    among
        .iter()
        .map(|field| {
            let distance = distance(&plain, &folded(field.name)).min(distance(&plain, &folded(field.go)));
            (distance, field)
        })
        .filter(|(distance, field)| *distance <= if field.name.len() > 4 { 2 } else { 1 })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, field)| field)
}

/// The word that an unknown one most likely stands for.
pub(super) fn word<'a>(name: &str, among: &[&'a str]) -> Option<&'a str> {
    let plain = folded(name);
    let near = among.iter().map(|word| (distance(&plain, &folded(word)), *word)).min()?;
    (near.0 <= 2 && plain.len() <= 64).then_some(near.1)
}

/// Where else in the configuration a name is known, if in one place only.
pub(super) fn elsewhere(name: &str) -> Option<String> {
    fn search(kind: &Kind, path: &mut Vec<&'static str>, name: &str, found: &mut Vec<(bool, String)>) {
        for field in fields(kind) {
            path.push(field.name);
            if field.name == name {
                found.push((field.ours, path.join(".")));
            }
            search(&field.kind, path, name, found);
            path.pop();
        }
    }
    let mut found = Vec::new();
    search(&ROOT, &mut Vec::new(), name, &mut found);
    // What people know is distribution's.
    if found.iter().any(|(ours, _)| !ours) {
        found.retain(|(ours, _)| !ours);
    }
    if found.len() == 1 { found.pop().map(|(_, path)| path) } else { None }
}

fn folded(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Edits between two names: insert, remove, replace, swap neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (at(&row, j) + usize::from(x != y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        for (name, meant) in [
            ("htpp", Some("http")),
            ("HTTP", Some("http")),
            ("storge", Some("storage")),
            ("limit", Some("limits")),
            ("catalogue", Some("catalog")),
            ("kubernetes", None),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(field(name, fields(&ROOT)).map(|field| field.name), meant, "{name}");
        }
        assert_eq!(elsewhere("certificate").as_deref(), Some("http.tls.certificate"));
        assert_eq!(elsewhere("enabled"), None);
    }
}
