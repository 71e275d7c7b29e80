//! The language below the keywords: definitions, loops, conditions, built-in names, includes. What is
//! expected here is what Debian's keepalived 2.2.7 makes of the same lines, unless a comment says otherwise.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

use config::{Found, Loaded, Outcome, Refusal, Sources, Surroundings, load};

fn surroundings() -> Surroundings {
    Surroundings {
        host_name: "lb01.example.net".into(),
        environment: [("SITE".to_string(), "north".to_string())].into_iter().collect(),
        ..Surroundings::default()
    }
}

fn read(text: &str) -> (Sources, Outcome) {
    let mut sources = Sources::new();
    sources.add_root("/etc/ka/t", text.as_bytes().to_vec());
    match load(&sources, &surroundings()) {
        Loaded::Done(outcome) => (sources, outcome),
        Loaded::Missing(list) => panic!("includes are wanted: {list:?}"),
    }
}

/// The first words of the lines at the level of the file, as the reader makes them: each is a keyword that
/// does not exist, so each is reported by name. Sorted: findings come in the order of the places.
fn words(text: &str) -> Vec<String> {
    let (_, outcome) = read(text);
    let mut found = Vec::new();
    for d in outcome.diagnostics {
        match d.id.name() {
            "unknown-keyword" => found.push(d.message.split('`').nth(1).unwrap().to_string()),
            "unknown-block" | "no-instance" => {}
            other => found.push(format!("[{other}]")),
        }
    }
    found.sort();
    found
}

#[track_caller]
fn are(text: &str, want: &[&str]) {
    let mut want = want.to_vec();
    want.sort_unstable();
    assert_eq!(words(text), want, "{text}");
}

const REST: &str = "interface eth0\nvirtual_router_id 8\nvirtual_ipaddress { 10.0.0.4 }\n}\n";

/// Everything that is said about an instance with these lines.
fn findings(before: &str, lines: &str) -> Vec<String> {
    let (sources, outcome) = read(&format!("{before}vrrp_instance B {{\n{lines}\n{REST}"));
    let place = |span| {
        let (line, column) = sources.position(span);
        format!("{line}:{column}")
    };
    let one = |d: &config::Diagnostic| {
        let labels: String = d.labels.iter().map(|(s, text)| format!(" | {} {text}", place(*s))).collect();
        format!("{} {}{labels}", place(d.span), d.id)
    };
    outcome.diagnostics.iter().map(one).collect()
}

#[test]
fn definitions_of_several_lines() {
    are("$M=a1 \\\n a2 # c \\\n a3 \\\n\nx$M\ny", &["xa1", "a2", "a3", "y"]);
    are("$M=b1 \\\n  # only a comment \\\n b2\nx ${M}", &["x", "b2"]);
    are("$M=c1 \\\n # ends it\nc2\n$M", &["c2", "c1"]);
    are("$M=\\\n e1 \\\n e2\nx $M", &["x", "e2"]);
    are("$M=1 # see C:\\\nb2\nx$M\ny", &["x1", "b2", "y"]);
    are("$M=g1 \\\ng2\n${M} # comment", &["g1", "g2"]);
    // Only in a definition does a backslash join lines.
    are("y1 a \\\nb", &["y1", "b"]);
    // It ends with its file.
    are("x\n$M=a \\\nb \\", &["x"]);
}

#[test]
fn the_lines_of_a_definition_are_read_at_each_use() {
    let text = "$B=b1 \\\nb2\n$C=c1 \\\n@other c2 \\\n@^other c3 \\\n$IN=in1 \\\nc4${IN} \\\n~SEQ(X, 2) c5${X} \\\n$B \\\nc6\n$C";
    are(text, &["c1", "c3", "c4in1", "c51", "c52", "b1", "b2", "c6"]);
    // The condition drops the first line only; the others are ordinary lines.
    are("@other $A=a1 \\\na2\\\na3", &["a2\\", "a3"]);
    are("$N=1\n$M=a${N} \\\nb${N}\n$M\n$N=2\n$M", &["a1", "b1", "a2", "b2"]);
}

#[test]
fn substitution() {
    are("$Q=q\n${Q}1\nx$Q\ny${Q}z\n$Q\n\"$Q\"", &["q1", "xq", "yqz", "q", "$Q"]);
    // Late: the value may use what is defined below.
    are("$P=p${Q}\n$Q=q\n$P", &["pq"]);
    are("$EMPTY=\nn${EMPTY}x", &["nx"]);
    are("$_PWD=over\n${_PWD}x", &["overx"]);
    are("d${_PWD}\ni${_INSTANCE}\ne${_ENV SITE}${_ENV NOTHING}x", &["d/etc/ka", "ilb01", "enorthx"]);
    are("\"${_HASH}h${_BANG}\"", &["#h!"]);
    // keepalived lets this begin a comment; the manual of both says it is the character.
    are("x${_HASH}y", &["x#y"]);
    are("a${_RANDOM 4 4}", &["a4"]);
    let random = |seed| words(&format!("global_defs {{\nrandom_seed {seed}\n}}\na${{_RANDOM}}b${{_RANDOM}}"));
    assert_eq!(random(7), random(7));
    assert_ne!(random(7), random(8));
}

#[test]
fn conditions() {
    let text = "@lb01 a\n@^lb01 b\n@lb02 c\n@^lb02 d\n @lb01\te\n@lb01\n@ f\n@^ g\nh @lb02\n$C=@lb02\n$C i\n$D=@lb01\n$D j";
    are(text, &["a", "d", "e", "g", "h", "j"]);
}

#[test]
fn loops() {
    are("~SEQ(X, 3) a${X}", &["a1", "a2", "a3"]);
    are("~SEQx(X, 9, 10) a${X}", &["a9", "aa"]);
    are("~SEQ(X,1,2) ~SEQ(Y,1,2) n${X}_${Y}", &["n1_1", "n1_2", "n2_1", "n2_2"]);
    are("~SEQ(X,1,2) ~LST(Y,a,b) n${X}${Y}", &["n1a", "n1b", "n2a", "n2b"]);
    are("~LST({A,B}, {1,2}, {3,4}) u${A}_${B}", &["u1_2", "u3_4"]);
    are("$E=2\n~SEQ(X, $E) a${X}\n~SEQ(X, 2, ${E}) b$X", &["a1", "a2", "b2"]);
    // The variable keeps its last value.
    are("~SEQ(X, 2) a${X}\nb${X}", &["a1", "a2", "b2"]);
    are("$M=d${X} \\\n e${X}\n~SEQ(X, 1,2) $M", &["d1", "e1", "d2", "e2"]);
    are("$D=~SEQ(X, 2) l${X}\n$D", &["l1", "l2"]);
    are("~SEQ(X,2) @lb02 a${X}\n~SEQ(X,2) @lb01 b${X}", &["b1", "b2"]);
    are("~SEQ(X,1,0,2) a\n~LST(X, a b) c\n~SEQ(X, 2)\nx", &["[bad-loop]", "[bad-loop]", "[bad-loop]", "x"]);
}

#[test]
fn the_lines_come_in_their_order() {
    let text = "$LIST=10.0.0.1 \\\n~SEQ(X, 2, 3) ~LST(Y, 1, 2) 10.0.${Y}.${X} \\\n$REST \\\n10.0.0.9\n$REST=10.0.0.7 \\\n10.0.0.8\n";
    let body = "interface eth0\npriority 9\nvirtual_router_id 8\nvirtual_ipaddress {\n$LIST\n10.0.0.10\n}\n";
    let (_, outcome) = read(&format!("{text}vrrp_instance B {{\n{body}}}\n"));
    assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
    let host = outcome.host.unwrap();
    let list: Vec<String> = host.instances[0].held_addresses().map(|a| a.address.to_string()).collect();
    let want = "0.1 1.2 2.2 1.3 2.3 0.7 0.8 0.9 0.10".split(' ').map(|end| format!("10.0.{end}"));
    assert_eq!(list, want.collect::<Vec<_>>());
}

#[test]
fn names_that_are_not_replaced_stay_as_they_are() {
    assert_eq!(findings("", "priority ${PRIO}"), ["2:10 undefined-name"]);
    assert_eq!(findings("", "priority $PRIO"), ["2:10 undefined-name"]);
    assert_eq!(findings("$M=1 \\\n2\n", "priority ${M} x"), ["4:10 undefined-name"]);
    assert_eq!(findings("", "priority ${_RANDOM x}"), ["2:10 bad-built-in"]);
    assert_eq!(findings("$P = 1\n", "priority 7"), ["1:1 undefined-name"]);
    // A `$` that is ordinary text: in a password, in a command.
    let quiet =
        "priority 9\nauthentication {\nauth_type PASS\nauth_pass pa$$w $x\n}\nnotify \"/x $HOME ${HOME} $1\"";
    let said = findings("", quiet);
    assert!(said.iter().all(|d| d.contains("not-built") || d.contains("extra-words")), "{said:?}");
    // A name in a password may be the password.
    let (_, outcome) = read("auth_pass ab${geheim}\n");
    assert!(outcome.diagnostics.iter().all(|d| !format!("{d:?}").contains("geheim")));
    assert!(outcome.diagnostics.iter().any(|d| d.id.name() == "undefined-name"));
}

#[test]
fn a_finding_shows_the_use_and_the_definition() {
    assert_eq!(
        findings("$PRIO=1500\n", "priority $PRIO"),
        ["3:10 out-of-range | 1:7 `PRIO` is defined here"]
    );
    assert_eq!(
        findings("$A=${B}\n$B=1500\n", "priority $A"),
        ["4:10 out-of-range | 1:4 `A` is defined here | 2:4 `B` is defined here"]
    );
    // In a definition of several lines the text itself is shown, and who uses it; once, however often.
    assert_eq!(
        findings("$M=priority 1500 \\\nadvert_int 900\n", "$M"),
        ["1:13 out-of-range | 4:1 `M` is used here", "2:12 out-of-range | 4:1 `M` is used here"]
    );
    let each = findings("$P=7\n$M=priority ${P} \\\nadvert_int 1\n", "$P=900\n$M");
    assert_eq!(each, ["2:13 out-of-range | 5:4 `P` is defined here | 6:1 `M` is used here"]);
    let turns = findings("", "priority 9\nvirtual_ipaddress {\n~LST(N, 5, x) 10.0.0.${N}\n}");
    assert_eq!(turns, ["4:15 bad-address | 4:1 when `N` is x"]);
    // A definition of a password is not shown.
    let secret = "priority 9\nauthentication {\nauth_type PASS\nauth_pass $P\n}";
    assert_eq!(findings("$P=geheim123456\n", secret), ["6:11 auth-pass-too-long"]);
}

#[test]
fn a_fix_never_touches_what_a_name_stands_for() {
    let (_, outcome) = read("$K=prioritty 5\nvrrp_instance A {\n$K\n");
    let found = outcome.diagnostics.iter().find(|d| d.id.name() == "unknown-keyword").unwrap();
    assert!(found.help.as_ref().unwrap().contains("priority") && found.fix.is_none());
    // In a definition of several lines the word itself stands there and can be mended.
    let (sources, outcome) =
        read("$K=prioritty 5 \\\nstate BACKUP\nvrrp_instance A {\n$K\n}\nvrrp_instance B {\n$K\n}\n");
    let found: Vec<_> = outcome.diagnostics.iter().filter(|d| d.id.name() == "unknown-keyword").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(sources.text(found[0].fix.as_ref().unwrap().span), b"prioritty");
}

#[test]
fn quotes_without_partner() {
    assert_eq!(findings("", "priority \"9"), ["2:1 missing-value", "2:10 unterminated-quote"]);
    // The backslash hides a quote from the search for comments, but not from the words.
    are("x \"a\\\"b\"", &["[unterminated-quote]", "x"]);
    // A command may hold one, in the other kind.
    let said = findings("", "priority 9\nnotify '/x \\\\\\\"' root");
    assert!(said.iter().all(|d| d.contains("not-built")), "{said:?}");
    let open = findings("", "priority 9\nnotify \"/x 'a\"");
    assert!(open.contains(&"3:12 unterminated-quote".to_string()), "{open:?}");
    let nul = findings("", "priority 9\nnotify /x\\0");
    assert!(nul.contains(&"3:10 nul-byte".to_string()), "{nul:?}");
}

#[test]
fn line_ends_of_other_systems_are_harmless() {
    let text = "$M=priority 9 \\\r\n  state BACKUP\r\nvrrp_instance B {\r\n$M\r\ninterface eth0\r\nvirtual_router_id 8\r\nvirtual_ipaddress {\r\n10.0.0.4\r\n}\r\n}\r\n";
    let (_, outcome) = read(text);
    assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
    assert_eq!(outcome.host.unwrap().instances[0].settings.priority.0, 9);
}

#[test]
fn an_include_in_a_definition_is_read_where_it_is_used() {
    let mut sources = Sources::new();
    sources.add_root("main", b"$M=a1 \\\ninclude x.conf \\\na2\n$M\na3\n".to_vec());
    let Loaded::Missing(list) = load(&sources, &surroundings()) else { panic!("not asked") };
    let file = sources.add("x.conf", b"i1\ni2\n".to_vec());
    sources.resolve(&list[0], vec![Found::File(file)]);
    let Loaded::Done(outcome) = load(&sources, &surroundings()) else { panic!("asked again") };
    let places: Vec<_> = outcome.diagnostics.iter().map(|d| d.concise(&sources)).collect();
    assert_eq!(places.len(), 6, "{places:#?}");
    let inner = outcome.diagnostics.iter().find(|d| d.message.contains("`i1`")).unwrap();
    assert_eq!(sources.position(inner.include_chain[0]), (2, 9));
}

/// As Debian's keepalived: only a check that is asked for stops it.
#[test]
fn a_plain_include_complains_about_what_it_is_told_to() {
    let stops = |before: &str, name: &str, why: Option<Refusal>, all_includes: bool| {
        let surroundings = Surroundings { all_includes, ..surroundings() };
        let mut sources = Sources::new();
        sources.add_root("main", format!("global_defs {{\n{before}\n}}\ninclude {name}\n").into_bytes());
        let Loaded::Missing(list) = load(&sources, &surroundings) else { panic!("not asked") };
        let refused = why.map(|why| Found::Refused { name: name.into(), why });
        sources.resolve(&list[0], refused.into_iter().collect());
        let Loaded::Done(outcome) = load(&sources, &surroundings) else { panic!("asked again") };
        outcome.host.is_none()
    };
    for (before, plain, pattern, braces, executable) in [
        ("", false, false, false, false),
        ("include_check", true, true, true, true),
        ("include_check match", true, false, false, false),
        ("include_check wildcard_match", false, true, true, false),
        ("include_check brace_match", false, false, true, false),
        ("include_check read", false, false, false, true),
        ("include_check +read", false, false, false, true),
        ("include_check\ninclude_check -match", false, true, true, true),
        ("include_check always", false, false, false, false),
    ] {
        assert_eq!(stops(before, "x.conf", None, false), plain, "{before}");
        assert_eq!(stops(before, "x*.conf", None, false), pattern, "{before}");
        assert_eq!(stops(before, "{x,y}.conf", None, false), braces, "{before}");
        assert_eq!(stops(before, "x.conf", Some(Refusal::Executable), false), executable, "{before}");
        assert!(stops(before, "x.conf", None, true) || before.contains("include_check"), "{before}");
    }
}

#[test]
fn each_include_word_complains_about_its_own() {
    let said = |line: &str| {
        let mut sources = Sources::new();
        sources.add_root("main", format!("{line}\n").into_bytes());
        let Loaded::Missing(list) = load(&sources, &surroundings()) else { panic!("not asked") };
        sources.resolve(&list[0], Vec::new());
        let Loaded::Done(outcome) = load(&sources, &surroundings()) else { panic!("asked again") };
        outcome.diagnostics.iter().any(|d| d.id.name() == "include-not-found")
    };
    let words = ["include", "includer", "includem", "includew", "includeb", "includea"];
    let complaints = |name: &str| words.map(|word| said(&format!("{word} {name}")));
    assert_eq!(complaints("x.conf"), [false, false, true, true, false, true]);
    assert_eq!(complaints("x*.conf"), [false, false, false, true, false, true]);
    assert_eq!(complaints("{x,y}.conf"), [false, false, false, true, true, true]);
}
