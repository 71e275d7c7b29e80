//! Mail about changes: the same configuration and the same disturbances under our daemon and under Debian's keepalived
//! give the same mail, headers and envelope included; and whatever a server does, nothing else waits for it.
//!
//! What differs, by name:
//! - keepalived opens a connection for each mail, all at once, so only the order for each instance and group is
//!   compared;
//! - keepalived 2.2.7 opens connections for the mail about its end and ends before it has said a word on them: that
//!   mail is ours alone.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lab::Machine;
use lab::harness::{Outcome, Stop, Test, fail};

use crate::conf::LB01;
use crate::pair::{self, ELECTION, Kind, Node, SOON};
use crate::see;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("mail::the_same_mail_is_sent_as_keepalived_sends", story),
        Test::new("mail::a_server_that_never_answers_delays_no_advert_and_not_the_end", silent),
        Test::new("mail::what_a_server_does_wrong_is_told", troubles),
    ]
}

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It takes everything, except for whoever is called `bad`.
    Good,
    /// It says nothing at all.
    Silent,
    /// It is no mail server.
    Garbage,
    /// It ends the connection in the middle.
    Drops,
}

/// A mail as a server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mail {
    hello: String,
    from: String,
    to: Vec<String>,
    /// Headers and body, line by line, without the date.
    text: Vec<String>,
}

impl Mail {
    fn subject(&self) -> &str {
        let line = self.text.iter().find_map(|line| line.strip_prefix("Subject: [LB] VRRP "));
        line.unwrap_or("no subject")
    }
}

/// A mail server on a machine.
#[derive(Clone, Debug)]
struct Server {
    port: u16,
    manner: Arc<Mutex<Manner>>,
    mail: Arc<Mutex<Vec<Mail>>>,
}

impl Server {
    fn start(machine: &Machine, manner: Manner) -> Result<Self, Stop> {
        let bound = machine.within(|| TcpListener::bind("127.0.0.1:0"))?;
        let listener = bound.map_err(|why| fail(why.to_string()))?;
        let port = listener.local_addr().map_err(|why| fail(why.to_string()))?.port();
        let server = Self { port, manner: Arc::new(Mutex::new(manner)), mail: Arc::default() };
        let own = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let one = own.clone();
                // A client may go away in the middle.
                std::thread::spawn(move || drop(one.serve(stream)));
            }
        });
        Ok(server)
    }

    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let manner = *self.manner.lock().unwrap();
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let mut say = move |text: &str| stream.write_all(format!("{text}\r\n").as_bytes());
        match manner {
            Manner::Good | Manner::Drops => say("220-relay.example")?,
            Manner::Silent => return lines.try_for_each(|line| line.map(drop)),
            Manner::Garbage => return say("HTTP/1.1 400 Bad Request"),
        }
        say("220 at your service")?;
        let mut mail = Mail { hello: String::new(), from: String::new(), to: Vec::new(), text: Vec::new() };
        while let Some(line) = lines.next().transpose()? {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match (word, rest) {
                ("HELO", name) => {
                    name.clone_into(&mut mail.hello);
                    say("250 relay.example")?;
                }
                ("MAIL", from) => {
                    from.clone_into(&mut mail.from);
                    say("250 ok")?;
                }
                ("RCPT", to) if to.contains("bad") => say("550 no such user")?,
                ("RCPT", _) if manner == Manner::Drops => return Ok(()),
                ("RCPT", to) => {
                    mail.to.push(to.to_owned());
                    say("250 ok")?;
                }
                ("DATA", "") => {
                    say("354 go on")?;
                    for line in lines.by_ref() {
                        match line?.as_str() {
                            "." => break,
                            date if date.starts_with("Date: ") => mail.text.push(shape(date)),
                            line => mail.text.push(line.to_owned()),
                        }
                    }
                    self.mail.lock().unwrap().push(mail.clone());
                    (mail.to, mail.text) = (Vec::new(), Vec::new());
                    say("250 queued")?;
                }
                ("QUIT", "") => return say("221 bye"),
                ("RSET", "") => say("250 ok")?,
                _ => say("500 what?")?,
            }
        }
        Ok(())
    }

    fn mail(&self) -> Vec<Mail> {
        self.mail.lock().unwrap().clone()
    }

    /// Waits until so many mails have come in all.
    fn wait_for(&self, count: usize) -> Outcome {
        let reached = see::wait_until("mail", || Ok(self.mail().len() >= count));
        reached.map_err(|_| {
            let mail = self.mail();
            let subjects: Vec<_> = mail.iter().map(Mail::subject).collect();
            fail(format!("{count} mails were expected: {subjects:#?}"))
        })
    }
}

/// A date without its numbers and names.
fn shape(date: &str) -> String {
    let kept = date["Date: ".len()..].chars().map(|c| match c {
        c if c.is_ascii_digit() => '9',
        c if c.is_ascii_alphabetic() => 'a',
        c => c,
    });
    format!("Date: {}", kept.collect::<String>())
}

/// A and B in a group, C and E alone, D without mail; E is told of its removal.
fn conf(port: u16, instances: &str) -> String {
    let mut text = format!(
        "global_defs {{\n    router_id LB\n    notification_email {{\n        one@example.org two@example.org\n        \
         root\n    }}\n    notification_email_from lb@example.org\n    smtp_server 127.0.0.1 {port}\n    \
         smtp_helo_name helo.example\n    smtp_connect_timeout 5\n    smtp_alert\n}}\n\
         vrrp_sync_group G {{\n    group {{\n        A\n        B\n    }}\n}}\n"
    );
    for (name, vrid) in ["A", "B", "C", "D", "E"].into_iter().zip(51..) {
        let more = match name {
            "D" => "    smtp_alert off\n",
            "E" => "    notify_deleted\n",
            _ => "",
        };
        if instances.contains(name) {
            text += &format!(
                "vrrp_instance {name} {{\n    state BACKUP\n    interface eth0\n    virtual_router_id {vrid}\n    \
                 priority 100\n    advert_int 0.3\n    version 3\n{more}    virtual_ipaddress {{\n        \
                 10.0.0.{vrid}\n    }}\n}}\n"
            );
        }
    }
    text
}

/// All mail of a story, for each instance and group.
fn tell(kind: Kind) -> Result<BTreeMap<String, Vec<Mail>>, Stop> {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let server = Server::start(machine, Manner::Good)?;
    let node = Node::new(machine, kind, conf(server.port, "ABCDE"))?;
    let running = node.start()?;
    // A, B, C, E and G: BACKUP, then MASTER.
    server.wait_for(10)?;
    machine.link_down("eth0")?;
    server.wait_for(15)?;
    machine.link_up("eth0")?;
    server.wait_for(25)?;
    // Nothing changes with a reload of the same.
    running.signal(lab::Signal::HUP)?;
    running.wait_for_line("Reload complete", SOON)?;
    let mark = running.lines().all().len();
    node.write(conf(server.port, "ABD"))?;
    running.signal(lab::Signal::HUP)?;
    running.wait_for_line_from(mark, "Reload complete", SOON)?;
    server.wait_for(27)?;
    running.term()?;
    running.wait(SOON)?;
    if kind == Kind::Standfast {
        server.wait_for(30)?;
    }
    let mut all: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
    for mail in server.mail() {
        let whose = mail.subject().split(" - ").next().unwrap_or_default().to_owned();
        all.entry(whose).or_default().push(mail);
    }
    Ok(all)
}

fn story() -> Outcome {
    let (mut ours, theirs) = (tell(Kind::Standfast)?, tell(Kind::Keepalived)?);
    let mut ends = Vec::new();
    for (whose, mail) in &mut ours {
        let subjects: Vec<_> =
            mail.iter().map(|one| one.subject().replace(&format!("{whose} - "), "")).collect();
        let life =
            ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"].map(|state| format!("Entering {state} state"));
        let end = match &**whose {
            "Instance C" => "Entering FAULT state",
            "Instance E" => "Deleted",
            _ => "Stopping",
        };
        if subjects[..] != [&life[..], &[end.to_owned()]].concat()[..] {
            return Err(fail(format!("{whose}: {subjects:?}")));
        }
        if end == "Stopping" {
            ends.extend(mail.pop());
        }
    }
    if ours != theirs {
        return Err(fail(format!("ours {ours:#?}\ntheirs {theirs:#?}")));
    }
    // Two that say nothing would agree too; and what nobody can be compared with.
    let [first, ..] = &ours["Instance A"][..] else { return Err(fail("no mail")) };
    let head = [
        "Date: aaa, 99 aaa 9999 99:99:99 +9999",
        "From: lb@example.org",
        "Subject: [LB] VRRP Instance A - Entering BACKUP state",
        "X-Mailer: Keepalived",
        "To: one@example.org, two@example.org, root",
        "",
        "=> VRRP Instance is no longer owning VRRP VIPs <=",
        "",
    ];
    let to = ["TO:<one@example.org>", "TO:<two@example.org>", "TO:<root>"];
    let last: Vec<_> = ends.iter().map(|mail| (mail.subject(), &*mail.text[6])).collect();
    let stopping = "=> VRRP Instance stopping <=";
    let wanted = [
        ("Group G - Stopping", "=> All VRRP group instances are now stopping <="),
        ("Instance A - Stopping", stopping),
        ("Instance B - Stopping", stopping),
    ];
    let is_whole = (&*first.hello, &*first.from) == ("helo.example", "FROM:<lb@example.org>");
    if first.text == head && first.to == to && is_whole && last == wanted && ours.len() == 5 {
        Ok(())
    } else {
        Err(fail(format!("{first:#?} {last:#?}")))
    }
}

/// A node alone, active at once, which mails everything to this server.
fn alone(machine: &Machine, server: &str, recipients: &str) -> Result<Node, Stop> {
    Node::ours(machine, alone_conf(server, recipients))
}

fn alone_conf(server: &str, recipients: &str) -> String {
    format!(
        "global_defs {{\n    router_id LB\n    notification_email {{\n        {recipients}\n    }}\n    \
         smtp_server {server}\n    smtp_connect_timeout 2\n    smtp_alert\n}}\n\
         vrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id 50\n    priority 255\n    \
         advert_int 0.1\n    version 3\n    virtual_ipaddress {{\n        10.0.0.3\n    }}\n}}\n"
    )
}

fn silent() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let server = Server::start(machine, Manner::Silent)?;
    let client = lab.machine("client")?;
    let capture = lab::Capture::start(client, "eth0")?;
    let node = alone(machine, &format!("127.0.0.1 {}", server.port), "root")?;
    let running = node.start_active()?;
    let why = format!("was not delivered: 127.0.0.1:{}: greeting: no answer for 2 s", server.port);
    running.wait_for_line(&why, SOON)?;
    let adverts = see::adverts(&capture.records());
    let gaps = adverts.windows(2).map(|pair| pair[1].at.since(pair[0].at));
    let longest = gaps.max().unwrap_or_default();
    if adverts.len() < 15 || longest > Duration::from_millis(100) + pair::SLACK / 2 {
        return Err(fail(format!("{} adverts, with a gap of {longest:?}", adverts.len())));
    }
    let since = Instant::now();
    running.stop()?;
    // Two seconds for the mail about the end, and not the rest of its time.
    let took = since.elapsed();
    if took > Duration::from_millis(3_500) {
        return Err(fail(format!("the end took {took:?}")));
    }
    running.wait_for_line("1 mail was not delivered in time before the end", SOON)?;
    Ok(())
}

fn troubles() -> Outcome {
    let lab = pair::alone()?;
    let machine = lab.machine(LB01)?;
    let server = Server::start(machine, Manner::Good)?;
    let place = format!("127.0.0.1 {}", server.port);
    let node = alone(machine, &place, "one@example.org bad@example.org")?;
    let running = node.start_active()?;
    let refused = "mail \"[LB] VRRP Instance VI_1 - Entering MASTER state\" does not reach bad@example.org: \
                   the server said \"550 no such user\"";
    running.wait_for_line(refused, SOON)?;
    server.wait_for(1)?;
    server.behave(Manner::Garbage);
    machine.link_down("eth0")?;
    running.wait_for_line("greeting: \"HTTP/1.1 400 Bad Request\" is no answer of a mail server", SOON)?;
    server.behave(Manner::Drops);
    machine.link_up("eth0")?;
    running.wait_for_line("RCPT TO: the server ended the connection", SOON)?;
    let reload = |conf: String| -> Outcome {
        let mark = running.lines().all().len();
        node.write(conf)?;
        running.signal(lab::Signal::HUP)?;
        running.wait_for_line_from(mark, "Reload complete", SOON)?;
        Ok(())
    };
    reload(alone_conf("127.0.0.1 1", "root"))?;
    machine.link_down("eth0")?;
    running.wait_for_line("was not delivered: 127.0.0.1:1: connecting: connection refused", SOON)?;
    reload(alone_conf("no-such-host.invalid", "root"))?;
    machine.link_up("eth0")?;
    running.wait_for_line("was not delivered: looking up the server: ", ELECTION)?;
    // What is well again is used again.
    server.behave(Manner::Good);
    reload(alone_conf(&place, "root"))?;
    machine.link_down("eth0")?;
    server.wait_for(2)?;
    // The server has it a moment before we know that it has.
    let told = ["recipients refused = 1\n", "not sent = 0, waiting = 0\n"];
    see::wait_until("the counters of mail", || {
        running.signal(lab::Signal::USR1)?;
        let data = machine.read(node.dumps().join("keepalived.data")).unwrap_or_default();
        Ok(told.iter().all(|line| data.contains(line)))
    })?;
    running.stop()
}
