//! Reading the number in a tracked file, whatever lies there.

use node::io::{Errno, Unread};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// More of a file is never read.
const BYTES: u64 = 128;

/// The number at the beginning of a file.
pub(super) fn read(path: &Path) -> Result<i32, Unread> {
    let mut bytes = Vec::new();
    let file = open(path, OpenOptions::new().read(true))?;
    file.take(BYTES).read_to_end(&mut bytes).map_err(|why| refused(&why))?;
    parse(&bytes)
}

/// Writes the first number of a file: a file that is there keeps what it says, unless it is to be overwritten.
pub(super) fn write(path: &Path, value: i32, overwrite: bool) -> Result<(), Unread> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644);
    let opened = match open(path, &mut options) {
        Err(Unread::Absent) => options.create_new(true).open(path).map_err(|why| refused(&why)),
        Ok(file) if overwrite => file.set_len(0).map(|()| file).map_err(|why| refused(&why)),
        Ok(_) => return Ok(()),
        Err(why) => return Err(why),
    };
    writeln!(opened?, "{value}").map_err(|why| refused(&why))
}

/// Opens an ordinary file. Nothing else is even opened: a pipe would wait, and a device may act.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Unread> {
    ordinary(&std::fs::metadata(path).map_err(|why| refused(&why))?)?;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path).map_err(|why| refused(&why))?;
    // It may have been replaced meanwhile.
    ordinary(&file.metadata().map_err(|why| refused(&why))?)?;
    Ok(file)
}

fn ordinary(metadata: &Metadata) -> Result<(), Unread> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Unread::NotAFile(what))
}

fn refused(why: &std::io::Error) -> Unread {
    match why.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => Unread::Absent,
        errno => Unread::Refused(Errno(errno.unwrap_or(libc::EIO))),
    }
}

/// As C reads a number of any base: blanks, a sign, `0x` or `0` in front. What follows must be a blank or the end.
fn parse(bytes: &[u8]) -> Result<i32, Unread> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let begin = bytes.iter().position(|byte| !is_blank(byte)).unwrap_or(bytes.len());
    let rest = &bytes[begin..];
    if rest.is_empty() {
        // 128 blanks are no empty file.
        return Err(if bytes.len() < usize::try_from(BYTES).unwrap_or(0) {
            Unread::Absent
        } else {
            Unread::Garbage
        });
    }
    let word = &rest[..rest.iter().position(is_blank).unwrap_or(rest.len())];
    let text = str::from_utf8(word).map_err(|_| Unread::Garbage)?;
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.as_bytes().first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Unread::Garbage);
    }
    let size = i64::from_str_radix(digits, base).map_err(|_| Unread::Garbage)?;
    i32::try_from(if is_negative { -size } else { size }).map_err(|_| Unread::Garbage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        let good: [(&[u8], i32); 14] = [
            (b"5", 5),
            (b"5\n", 5),
            (b" \t\n-7 and words", -7),
            (b"+3", 3),
            (b"0", 0),
            (b"-0\n", 0),
            (b"00\n", 0),
            (b"010", 8),
            (b"0x1F\n", 31),
            (b"-0X10", -16),
            (b"2147483647", i32::MAX),
            (b"-2147483648", i32::MIN),
            (b"5\r\n", 5),
            (b"5 \xff\0", 5),
        ];
        for (bytes, value) in good {
            assert_eq!(parse(bytes), Ok(value), "{:?}", String::from_utf8_lossy(bytes));
        }
        let bad: [&[u8]; 17] = [
            b"x",
            b"-",
            b"+",
            b"--5",
            b"+-5",
            b"- 5",
            b"0x",
            b"0x-5",
            b"08",
            b"2147483648",
            b"-2147483649",
            b"99999999999999999999999",
            b"5\0",
            b"\0",
            b"\xff\xfe",
            b"5.5",
            b"\x7fELF\x02\x01\x01",
        ];
        for bytes in bad {
            assert_eq!(parse(bytes), Err(Unread::Garbage), "{:?}", String::from_utf8_lossy(bytes));
        }
        for bytes in [&b""[..], b"\n", b"  \n\n"] {
            assert_eq!(parse(bytes), Err(Unread::Absent));
        }
        assert_eq!(parse(&[b' '; 128]), Err(Unread::Garbage));
        assert_eq!(parse(&[b'1'; 128]), Err(Unread::Garbage));
    }

    #[test]
    fn whatever_lies_there_has_a_name_and_nothing_waits() {
        let directory = std::env::temp_dir().join(format!("standfast-number-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (path, pipe) = (directory.join("file"), directory.join("pipe"));
        assert_eq!(read(&path), Err(Unread::Absent));
        assert_eq!(read(&path.join("below")), Err(Unread::Absent));
        assert_eq!(write(&path, 7, false), Ok(()));
        assert_eq!(write(&path, 8, false), Ok(()));
        assert_eq!(read(&path), Ok(7));
        assert_eq!(write(&path, 12, true), Ok(()));
        assert_eq!(write(&path, 9, true), Ok(()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "9\n");
        assert_eq!(read(&path.join("below")), Err(Unread::Absent));
        File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(read(&path), Ok(9), "a gigabyte of zeros behind a line");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(&pipe), Err(Unread::NotAFile("a pipe")));
        assert_eq!(write(&pipe, 1, true), Err(Unread::NotAFile("a pipe")));
        assert_eq!(read(&directory), Err(Unread::NotAFile("a directory")));
        assert_eq!(read(Path::new("/dev/null")), Err(Unread::NotAFile("a device")));
        std::os::unix::fs::symlink("loop", directory.join("loop")).unwrap();
        assert_eq!(read(&directory.join("loop")), Err(Unread::Refused(Errno(libc::ELOOP))));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
