//! The dialogue with servers that do what they should, and with those that do not.

use super::*;
use model::Mail;
use node::io::LetterId;

fn server() -> SocketAddr {
    "10.0.0.25:25".parse().unwrap()
}

fn letter(to: &[&str]) -> Letter {
    let to = to.iter().map(|&to| to.into()).collect();
    let envelope = Mail { to, from: Some("Me <me@x>".into()), ..Mail::default() };
    Letter { id: LetterId(1), title: "t".into(), body: ".b", envelope: Arc::new(envelope) }
}

fn reply(text: &str) -> Reply {
    let mut ear = Ear::default();
    ear.hear(format!("{text}\r\n").as_bytes()).unwrap().unwrap()
}

/// What is said to a server that answers like this, and the end.
fn story(to: &[&str], answers: &[&str]) -> (Vec<String>, Delivery) {
    let (mut transaction, mut next) = Transaction::begin(server(), &letter(to), "d");
    let mut said = Vec::new();
    let mut answers = answers.iter();
    loop {
        match next {
            Next::Say(bytes) => said.push(String::from_utf8(bytes).unwrap().trim_end().to_owned()),
            Next::Over(how) => return (said, how),
        }
        next = transaction.hear(reply(answers.next().unwrap()));
    }
}

fn failed(stage: Stage, trouble: Trouble) -> Delivery {
    Delivery::Failed(Failure { server: Some(server()), stage, trouble })
}

fn says(text: &str) -> Trouble {
    Trouble::Answer(text.into())
}

#[test]
fn a_mail_goes_through() {
    let (said, how) =
        story(&["a@b", "C <c@d>"], &["250 ok", "250 ok", "251 forwarded", "354 go", "250 queued"]);
    let text = "Date: d\r\nFrom: Me <me@x>\r\nSubject: t\r\nX-Mailer: Keepalived\r\nTo: a@b, C <c@d>\r\n\r\n..b\r\n\r\n.";
    assert_eq!(said, ["MAIL FROM:<me@x>", "RCPT TO:<a@b>", "RCPT TO:<c@d>", "DATA", text]);
    assert_eq!(how, Delivery::Taken(vec![]));
}

#[test]
fn a_refused_recipient_keeps_nobody_else_from_it() {
    let (said, how) =
        story(&["a@b", "root", "x y"], &["250 ok", "250 ok", "550 no such user", "354 go", "250 queued"]);
    assert_eq!(said[..4], ["MAIL FROM:<me@x>", "RCPT TO:<a@b>", "RCPT TO:<root>", "DATA"]);
    let refused = |recipient: &str, trouble| Refused { recipient: recipient.into(), trouble };
    let both = [refused("x y", Trouble::Unfit("x y".into())), refused("root", says("550 no such user"))];
    assert_eq!(how, Delivery::Taken(both.into()));
}

#[test]
fn each_refusal_names_its_place() {
    let (ok, no) = ("250 ok", "554 no");
    for (answers, stage) in [
        (&[no][..], Stage::Sender),
        (&[ok, no], Stage::Recipient),
        (&[ok, ok, no], Stage::Data),
        // Anything but 354 is a no.
        (&[ok, ok, "250 ok"], Stage::Data),
        (&[ok, ok, "354 go", no], Stage::Text),
        (&["354 go"], Stage::Sender),
    ] {
        let (_, how) = story(&["a@b"], answers);
        assert_eq!(how, failed(stage, says(answers.last().unwrap())), "{answers:?}");
    }
    let (said, how) = story(&["x y"], &[]);
    assert_eq!((said.len(), how), (0, failed(Stage::Recipient, Trouble::Unfit("x y".into()))));
}

#[test]
fn answers_come_in_pieces_and_in_lines() {
    let mut ear = Ear::default();
    for piece in ["2", "50-fir", "st\r", "\n250", "-second\r\n", "250 la"] {
        assert_eq!(ear.hear(piece.as_bytes()), None, "{piece}");
    }
    let text = "250 first second last".into();
    assert_eq!(ear.hear(b"st\r\n"), Some(Ok(Reply { code: 250, text })));
    assert_eq!(ear.hear(b"354\n"), Some(Ok(Reply { code: 354, text: "354".into() })));
    assert_eq!(ear.hear(b"250 \xff\x1b[31m\r\n").unwrap().unwrap().text, "250 \u{fffd} [31m");
    let long = format!("550 {}\r\n", "x".repeat(3_000));
    assert_eq!(ear.hear(long.as_bytes()).unwrap().unwrap().text.chars().count(), SHOWN + 1);
}

#[test]
fn garbage_is_noticed_at_once_and_bounded() {
    for (bytes, shown) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP/1.1 400 Bad Request"),
        (b"SSH-2.0-x", "SSH-2.0-x"),
        (b"\x16\x03\x01", "   "),
        (b"2500 ok\r\n", "2500 ok"),
        (b"100 no\r\n", "100 no"),
        (b"250-one\r\nx", "250-one  x"),
        // Two answers to one question.
        (b"250 one\r\n250 two\r\n", "250 two"),
        (b"\r\n", ""),
    ] {
        let heard = Ear::default().hear(bytes);
        let Some(Err(Trouble::Garbage(text))) = heard else { panic!("{heard:?}") };
        assert_eq!(text.trim_end(), shown.trim_end());
    }
    // A line without an end, and an answer without one.
    for piece in [&b"250 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..], b"250-more\r\n"] {
        let mut ear = Ear::default();
        let count = (0..10_000).take_while(|_| ear.hear(piece).is_none()).count();
        assert!(count * piece.len() <= LONGEST, "{count}");
    }
}

#[test]
fn what_is_said_after_a_mail_was_taken_does_not_undo_that() {
    let hear = |bytes: &[u8]| {
        let mut ear = Ear { first_decides: true, ..Ear::default() };
        (ear.hear(bytes).unwrap().map(|reply| reply.code).ok(), ear.is_spoilt)
    };
    assert_eq!(hear(b"250 queued\r\n421 closing\r\n"), (Some(250), true));
    assert_eq!(hear(b"250 queued\r\n"), (Some(250), false));
    assert_eq!(hear(b"550 no\r\n250 yes\r\n"), (None, true));
}

#[test]
fn no_bytes_are_too_much_for_it() {
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut ear = Ear::default();
        let mut bytes = Vec::new();
        for _ in 0..24 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let alphabet = b"0123459 -\r\n\r\nx\xff";
            bytes.push(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]);
        }
        for piece in bytes.chunks(5) {
            if let Some(Ok(reply)) = ear.hear(piece) {
                assert!((200..600).contains(&reply.code));
            }
        }
    }
}
