//! The service of the demonstration: what the address is there for. It says its name to whoever calls, and nothing
//! else; it is this very program once more, so that the demonstration needs no other.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use linux::privileges::{FORBID_NETNS, forbidden_netns};

use super::scenario::PORT;

/// What it says when it is there: the story waits for it.
pub(crate) const LISTENS: &str = "listens on port";
/// Who calls and then says nothing is left alone.
const PATIENCE: Duration = Duration::from_millis(500);
/// No request is longer.
const LONGEST: usize = 1024;

/// Serves for ever, inside the laboratory only.
///
/// # Errors
/// When this is no laboratory, or the port is taken.
pub(crate) fn serve(name: &str) -> Result<std::convert::Infallible, String> {
    if std::env::var_os(FORBID_NETNS).is_none() {
        return Err("its service runs in its own laboratory only: leave --serve out".to_owned());
    }
    forbidden_netns().map_err(|why| why.to_string())?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .map_err(|why| format!("cannot listen on port {PORT}: {why}"))?;
    // The laboratory reads it; if it does not, there is nobody to serve.
    writeln!(std::io::stdout(), "{name} {LISTENS} {PORT}").map_err(|why| why.to_string())?;
    loop {
        // A caller who has hung up is no reason to end.
        let _ = listener.accept().and_then(|(stream, _)| answer(stream, name));
    }
}

fn answer(mut stream: TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = [0; LONGEST];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[length..])? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    let length = name.len() + 1;
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{name}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a service called lb01 makes of a request that comes in these parts.
    fn asked(parts: &[&[u8]]) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for part in parts {
            caller.write_all(part).unwrap();
        }
        caller.shutdown(std::net::Shutdown::Write).unwrap();
        answer(listener.accept().unwrap().0, "lb01").unwrap();
        let mut said = String::new();
        caller.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn it_says_its_name_to_a_whole_request() {
        let said = asked(&[b"GET / HTTP/1.0\r\nHost: 10", b".0.0.3\r\n\r\n"]);
        assert!(
            said.starts_with("HTTP/1.0 200 OK\r\n") && said.contains("\r\nContent-Length: 5\r\n"),
            "{said}"
        );
        assert!(said.ends_with("\r\n\r\nlb01\n"), "{said}");
        assert_eq!(asked(&[b"GET / HTTP/1.0\r\n"]), "");
    }

    #[test]
    fn a_request_that_never_ends_is_not_read_for_ever() {
        assert_eq!(asked(&[&[b'x'; LONGEST]]), "");
    }
}
