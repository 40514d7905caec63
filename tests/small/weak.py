"""Shows a directory as a filesystem that can little: no sync of directories, no
links, no rename that replaces nothing, no files without a name. With `folds`,
names that differ by case alone are one, as on a memory card.

weak.py DIRECTORY MOUNTPOINT weak|folds
"""

import errno
import os
import sys

from fusepy import FUSE, FuseOSError, Operations


class Weak(Operations):
    def __init__(self, root, folds):
        self.root = root
        self.folds = folds

    def __call__(self, operation, *arguments):
        try:
            return getattr(self, operation)(*arguments)
        except OSError as error:
            raise FuseOSError(error.errno) from error

    def real(self, path):
        """Where a path is; where it would be, if nothing is there."""
        place = self.root
        for name in path.split("/")[1:]:
            if self.folds and not os.path.lexists(os.path.join(place, name)):
                try:
                    others = os.listdir(place)
                except OSError:
                    others = []
                name = next((other for other in others if other.lower() == name.lower()), name)
            place = os.path.join(place, name)
        return place

    def init(self, path):
        print("mounted", flush=True)

    def getattr(self, path, fh=None):
        stat = os.fstat(fh) if fh is not None else os.lstat(self.real(path))
        names = ("mode", "ino", "nlink", "uid", "gid", "size", "atime", "mtime", "ctime")
        return {f"st_{name}": getattr(stat, f"st_{name}") for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(self.real(path))]

    def mkdir(self, path, mode):
        os.mkdir(self.real(path), mode)

    def rmdir(self, path):
        os.rmdir(self.real(path))

    def unlink(self, path):
        os.unlink(self.real(path))

    def rename(self, old, new):
        os.rename(self.real(old), self.real(new))

    def link(self, target, source):
        raise OSError(errno.EPERM, "no links")

    def chmod(self, path, mode):
        os.chmod(self.real(path), mode)

    def chown(self, path, uid, gid):
        os.chown(self.real(path), uid, gid)

    def utimens(self, path, times=None):
        os.utime(self.real(path), times)

    def truncate(self, path, length, fh=None):
        os.truncate(self.real(path) if fh is None else fh, length)

    def create(self, path, mode, fi=None):
        return os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        # The kernel reads too where a program only writes.
        access = os.O_RDWR if flags & os.O_ACCMODE else os.O_RDONLY
        return os.open(self.real(path), access | (flags & os.O_TRUNC))

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def flush(self, path, fh):
        pass

    def release(self, path, fh):
        os.close(fh)

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def fsyncdir(self, path, datasync, fh):
        raise OSError(errno.EINVAL, "directories cannot be synced")

    def statfs(self, path):
        stat = os.statvfs(self.root)
        names = ("bavail", "bfree", "blocks", "bsize", "favail", "ffree", "files", "flag", "frsize", "namemax")
        return {f"f_{name}": getattr(stat, f"f_{name}") for name in names}


if __name__ == "__main__":
    lower, mountpoint, kind = sys.argv[1:]
    FUSE(Weak(lower, kind == "folds"), mountpoint, foreground=True, use_ino=True, hard_remove=True, big_writes=True)
