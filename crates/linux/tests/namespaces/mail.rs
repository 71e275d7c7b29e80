//! Mail to servers that do what they should, and what they should not.

use crate::space::until;
use crate::trial;
use libtest_mimic::Trial;
use linux::mail::Mailer;
use model::{Mail, MailServer};
use node::io::{Letter, LetterId, Mailed};
use node::mail::{Delivery, Failure, Stage, Trouble};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) fn trials(into: &mut Vec<Trial>) {
    into.extend([
        trial("mail::one_session_carries_what_waits", session),
        trial("mail::a_server_that_ends_a_session_gets_the_rest_in_another", tired),
        trial("mail::what_waits_for_a_silent_server_shares_its_fate", silent),
        trial("mail::an_answer_has_its_time_however_often_a_byte_comes", drip),
        trial("mail::a_mail_that_is_refused_is_forgotten_before_the_next", reset),
    ]);
}

/// What a server does when it is told a line.
type Manner = fn(usize, &str) -> Reply;

enum Reply {
    Say(&'static str),
    /// These bytes, one after the other, with a pause before each.
    Drip(&'static str),
    Nothing,
    Close,
}

fn proper(line: &str) -> Reply {
    Reply::Say(match line {
        "" => "220 at your service",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 ok",
    })
}

/// A server, and the lines that it is told: the number of the connection, and the line; of a text only its end.
fn server(manner: Manner) -> (u16, Receiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                serve(stream, &mut |line| {
                    // The greeting is an answer to nothing.
                    if !line.is_empty() {
                        let _ = sender.send((number, line.to_owned()));
                    }
                    manner(number, line)
                });
            });
        }
    });
    (port, lines)
}

fn serve(mut stream: TcpStream, manner: &mut dyn FnMut(&str) -> Reply) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut line = String::new();
    loop {
        let sent = match manner(&line) {
            Reply::Say(text) => stream.write_all(format!("{text}\r\n").as_bytes()),
            Reply::Drip(text) => text.bytes().try_for_each(|byte| {
                std::thread::sleep(Duration::from_millis(100));
                stream.write_all(&[byte])
            }),
            Reply::Nothing => Ok(()),
            Reply::Close => return,
        };
        if sent.is_err() {
            return;
        }
        let is_text = line == "DATA";
        loop {
            let Some(next) = lines.next() else { return };
            line = next;
            if !is_text || line == "." {
                break;
            }
        }
    }
}

fn letter(id: u64, port: u16, limit: Duration) -> Letter {
    let envelope = Mail {
        to: vec!["a@b".into()],
        from: Some("lb@x".into()),
        server: Some(MailServer { host: "127.0.0.1".into(), port }),
        helo: Some("lb".into()),
        connect_timeout: limit,
        ..Mail::default()
    };
    Letter { id: LetterId(id), title: "t".into(), body: "b", envelope: Arc::new(envelope) }
}

/// What became of so many letters, in order.
fn send(count: u64, port: u16, limit: Duration) -> (Vec<Delivery>, Duration) {
    let mut mailer = Mailer::new().unwrap();
    let since = Instant::now();
    (1..=count).for_each(|id| mailer.send(letter(id, port, limit)));
    let mut mailed: Vec<Mailed> = Vec::new();
    until("all answers", || {
        mailer.receive(&mut mailed);
        (mailed.len() as u64 == count).then_some(())
    });
    let took = since.elapsed();
    assert!(mailed.iter().zip(1..).all(|(mailed, id)| mailed.id == LetterId(id)), "{mailed:?}");
    (mailed.into_iter().map(|mailed| mailed.how).collect(), took)
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

fn taken() -> Delivery {
    Delivery::Taken(Vec::new())
}

fn failed(port: u16, stage: Stage, trouble: Trouble) -> Delivery {
    let server = Some(std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    Delivery::Failed(Failure { server, stage, trouble })
}

const MAIL: [&str; 4] = ["MAIL FROM:<lb@x>", "RCPT TO:<a@b>", "DATA", "."];

fn session() {
    // Held back until all three wait.
    let (port, lines) = server(|_, line| if line.is_empty() { Reply::Drip("220\r\n") } else { proper(line) });
    assert_eq!(send(3, port, LONG).0, [taken(), taken(), taken()]);
    let said: Vec<_> = std::iter::from_fn(|| lines.recv_timeout(LONG).ok()).take(14).collect();
    let wanted = ["HELO lb"].into_iter().chain(MAIL).chain(MAIL).chain(MAIL).chain(["QUIT"]);
    assert_eq!(said, wanted.map(|line| (0, line.to_owned())).collect::<Vec<_>>());
}

fn tired() {
    // The first connection ends at the second mail without a word, the second one in order.
    fn manner(number: usize, line: &str) -> Reply {
        static MAILS: [std::sync::atomic::AtomicUsize; 2] =
            [const { std::sync::atomic::AtomicUsize::new(0) }; 2];
        let before = MAILS.get(number).filter(|_| line.starts_with("MAIL"));
        let before = before.map_or(0, |count| count.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        match (number, before) {
            (0, 1) => Reply::Close,
            (1, 1) => Reply::Say("421 enough"),
            _ => proper(line),
        }
    }
    let (port, lines) = server(manner);
    assert_eq!(send(3, port, LONG).0, [taken(), taken(), taken()]);
    let mails = lines.try_iter().filter(|(_, line)| line == ".").map(|(number, _)| number);
    assert_eq!(mails.collect::<Vec<_>>(), [0, 1, 2]);
}

fn silent() {
    let (port, _lines) = server(|_, line| if line == "DATA" { Reply::Nothing } else { proper(line) });
    let (how, took) = send(20, port, SHORT);
    let all = failed(port, Stage::Data, Trouble::Silent(SHORT));
    assert!(how.iter().all(|one| *one == all), "{how:?}");
    // Those that came in before the first one failed are not tried one after the other.
    assert!(took < SHORT * 4, "{took:?}");
}

fn drip() {
    let (port, _lines) = server(|_, _| Reply::Drip("220 at your service, in a moment"));
    let (how, took) = send(1, port, SHORT);
    assert_eq!(how, [failed(port, Stage::Greeting, Trouble::Silent(SHORT))]);
    assert!(took < SHORT * 3, "{took:?}");
}

fn reset() {
    let (port, lines) =
        server(
            |_, line| {
                if line.starts_with("RCPT") { Reply::Say("550 no such user") } else { proper(line) }
            },
        );
    let refused = failed(port, Stage::Recipient, Trouble::Answer("550 no such user".into()));
    assert_eq!(send(1, port, LONG).0, [refused]);
    let said: Vec<_> = std::iter::from_fn(|| lines.recv_timeout(LONG).ok()).take(5).collect();
    let said: Vec<_> = said.iter().map(|(_, line)| &**line).collect();
    assert_eq!(said, ["HELO lb", "MAIL FROM:<lb@x>", "RCPT TO:<a@b>", "RSET", "QUIT"]);
}
