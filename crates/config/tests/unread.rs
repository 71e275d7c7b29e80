//! Lines that nothing reads yet are checked all the same: what keepalived 2.2.7 says about them, and only that.
#![allow(clippy::unwrap_used, reason = "a test ends where its assumption does")]

mod common;

/// The findings about one line in its block, without those that say what is not built.
fn about(block: &str, line: &str) -> Vec<String> {
    let mut text = format!("{line}\n");
    for part in block.split('/').rev().filter(|p| !p.is_empty()) {
        let name = match part {
            "virtual_server" => "virtual_server 10.0.0.3 80",
            "real_server" => "real_server 10.0.0.11 80",
            "virtual_server_group" | "vrrp_script" | "track_file" | "bfd_instance" => &format!("{part} A"),
            other => other,
        };
        text = format!("{name} {{\n{text}}}\n");
    }
    let (_, outcome) = common::outcome(&text);
    let beside = ["not-built", "no-effect", "no-instance", "incomplete-block"];
    let of_line = |d: &&config::Diagnostic| !beside.contains(&d.id.name());
    outcome.diagnostics.iter().filter(of_line).map(|d| format!("{}: {}", d.id, d.message)).collect()
}

fn one(block: &str, line: &str) -> String {
    let list = about(block, line);
    assert_eq!(list.len(), 1, "{line}: {list:?}");
    list.into_iter().next().unwrap()
}

#[test]
fn numbers_have_a_range() {
    assert_eq!(
        one("virtual_server", "persistence_timeout 0"),
        "out-of-range: `persistence_timeout` begins at 1: the line is ignored"
    );
    assert_eq!(
        one("global_defs", "smtp_connect_timeout abc"),
        "bad-number: `abc` is not a number: the line is ignored"
    );
    assert_eq!(
        one("global_defs", "nftables_priority -2147483649"),
        "out-of-range: `nftables_priority` takes -2147483648 to 2147483647, not -2147483649: the line is ignored"
    );
    assert_eq!(
        one("global_defs", "nftables_ipvs_priority -5x"),
        "bad-number: `-5x` is not a number: -5 is read"
    );
    assert_eq!(
        one("virtual_server", "quorum 0"),
        "out-of-range: `quorum` takes 1 to 4294967295, not 0: 1 is used"
    );
    for (block, line) in [
        ("global_defs", "nftables_priority -150"),
        ("global_defs", "child_wait_time 5"),
        ("global_defs", "max_auto_priority"),
        ("virtual_server", "persistence_timeout"),
        ("virtual_server", "delay_loop 0.5"),
        ("virtual_server", "delay_loop 5000"),
        ("virtual_server/real_server", "weight 70000"),
    ] {
        let said: Vec<_> = about(block, line).into_iter().filter(|s| !s.starts_with("misplaced")).collect();
        assert!(said.is_empty(), "{line}: {said:?}");
    }
}

#[test]
fn words_are_known() {
    assert_eq!(one("virtual_server", "lb_algo RR"), "unknown-word: `RR` cannot stand here: it is ignored");
    assert_eq!(one("virtual_server", "lb_kind dr"), "unknown-word: `dr` cannot stand here: it is ignored");
    assert_eq!(
        one("virtual_server", "protocol http"),
        "unknown-word: `http` cannot stand here: it is ignored"
    );
    assert_eq!(about("virtual_server", "protocol tcp"), [""; 0]);
    assert_eq!(about("virtual_server", "lb_kind TUN type gre csum"), [""; 0]);
    assert_eq!(about("virtual_server/real_server/DNS_CHECK", "type soa"), [""; 0]);
    for (block, first) in [
        ("bfd_instance", "neighbor_ip 10.0.0.9"),
        ("vrrp_script", "script /bin/true"),
        ("track_file", "file /run/f"),
    ] {
        let said = about(block, &format!("{first}\nweight 5 foo"));
        assert!(said.iter().any(|text| text.starts_with("unknown-word: `foo`")), "{block}: {said:?}");
    }
}

#[test]
fn a_missing_value_is_an_error_only_where_keepalived_ends() {
    assert_eq!(one("virtual_server", "lb_algo"), "missing-value: `lb_algo` needs a value");
    assert_eq!(one("", "virtual_server {\n}"), "missing-value: `virtual_server` needs a value");
    assert_eq!(
        one("global_defs", "notification_email_from"),
        "empty-value: `notification_email_from` needs a value: the line is ignored"
    );
}

#[test]
fn addresses_with_ports() {
    let said = one("", "virtual_server 10.0.0.1:80 {\n}");
    assert_eq!(said, "bad-address: `10.0.0.1:80` is not an IP address: the service is skipped");
    assert!(one("virtual_server", "real_server web1 80 {\n}").starts_with("bad-address: `web1`"));
    assert!(one("virtual_server", "real_server 10.0.0.5 http {\n}").starts_with("bad-number: `http`"));
    assert!(one("virtual_server", "sorry_server 10.0.0.7 99999").starts_with("out-of-range: the port"));
    for header in ["10.0.0.1", "10.0.0.1 80", "fwmark 5", "group A", "2001:db8::1 80"] {
        assert_eq!(about("", &format!("virtual_server {header} {{\n}}")), [""; 0]);
    }
    for line in ["10.0.0.1 80", "10.0.0.1-20 80", "10.0.0.30-10.0.0.40", "10.0.1.0/24 80", "fwmark 6 inet6"] {
        assert_eq!(about("virtual_server_group", line), [""; 0], "{line}");
    }
    assert!(one("virtual_server_group", "web 80").starts_with("bad-address: `web`"));
}

#[test]
fn port_0_is_no_port() {
    for line in ["real_server 10.0.0.5 0 {\n}", "sorry_server 10.0.0.7 0"] {
        assert_eq!(about("virtual_server", line), [""; 0], "{line}");
    }
    assert_eq!(about("virtual_server_group", "10.0.0.1 0"), [""; 0]);
    assert_eq!(
        one("virtual_server/real_server", "TCP_CHECK {\nconnect_port 0\n}"),
        "out-of-range: `connect_port` takes 1 to 65535, not 0: the line is ignored"
    );
}

#[test]
fn granularity_is_a_mask_or_a_length() {
    for line in ["persistence_granularity 255.255.255.0", "persistence_granularity 24"] {
        assert_eq!(about("virtual_server", line), [""; 0], "{line}");
    }
    assert_eq!(
        one("virtual_server", "persistence_granularity /24"),
        "bad-prefix: `/24` is not an IPv4 mask: the line is ignored"
    );
    let six = |value| {
        format!(
            "virtual_server 2001:db8::3 80 {{\npersistence_granularity {value}\nreal_server 2001:db8::4 80 {{\n}}\n}}"
        )
    };
    assert_eq!(about("", &six("64")), [""; 0]);
    assert_eq!(
        one("", &six("ffff::")),
        "bad-prefix: `ffff::` is not a prefix length from 1 to 128: the line is ignored"
    );
}

#[test]
fn a_group_with_the_contents_of_a_service_is_one_mistake() {
    let block =
        "virtual_server_group A {\nlb_algo rr\n10.0.0.3 80\nreal_server 10.0.0.4 80 {\nweight 1\n}\n}";
    assert_eq!(
        one("", block),
        "misplaced-keyword: this belongs in `virtual_server`, not in `virtual_server_group`: it is dropped (2 places)"
    );
}

#[test]
fn foreign_signs_are_named_once() {
    let comments = "// one\nvrrp_instance A { // two\ninterface eth0 // three\nvirtual_router_id 5\npriority 90 //four\nnopreempt // five\nunicast_peer {\n// 10.0.0.8\n10.0.0.9 // six, 7\n}\nvirtual_ipaddress {\n10.0.0.3 // eight dev eth9\n}\n}";
    assert_eq!(
        one("", comments),
        "comment-sign: `//` begins no comment: what follows is read as words, and ignored (8 places)"
    );
    // Values are values, and so is what stands in quotes.
    let label = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 5\npriority 90\nvirtual_ipaddress {\n10.0.0.3 label \"//\"\n}\n}";
    assert_eq!(about("", label), [""; 0]);
    assert_eq!(about("", "global_defs {\nrouter_id //a\n}"), [""; 0]);
    let merged = "global_defs {\n<<<<<<< HEAD\nrouter_id a\n=======\nrouter_id b\n>>>>>>> b\n}";
    let said = about("", merged);
    assert!(
        said.iter()
            .any(|s| s
                == "merge-marks: a merge left its marks here: the lines of both sides are read (3 places)"),
        "{said:?}"
    );
}

#[test]
fn mail_servers_and_recipients() {
    for line in ["smtp_server 10.0.0.25", "smtp_server mail.example.net 587", "smtp_server 2001:db8::25"] {
        assert_eq!(about("global_defs", line), [""; 0], "{line}");
    }
    assert_eq!(
        one("global_defs", "smtp_server 10.0.0.25 99999"),
        "out-of-range: `smtp_server` takes 1 to 65535, not 99999: the line is ignored"
    );
    for line in ["smtp_server 10.0.0.300", "smtp_server 10.0.0.25:587"] {
        assert!(one("global_defs", line).ends_with("nor the name of a host: the line is ignored"), "{line}");
    }
    assert_eq!(
        one("global_defs", "notification_email {\n}"),
        "empty-value: the list is empty: no mail is sent"
    );
}

#[test]
fn routes_and_rules() {
    for line in [
        "10.1.0.0/16 via 10.0.0.1 dev eth0",
        "default via 10.0.0.1 metric 5",
        "src 10.0.0.100 10.2.0.0/16 via 10.0.0.1",
        "blackhole 10.3.0.0/16",
        "10.1.0.0/16 dev eth0 scope link table 100 mtu lock 1400",
        "10.1.0.0/16 nexthop via 10.0.0.1 dev eth0 weight 2 nexthop via 10.0.0.2 weight 3",
        "10.1.0.0/16 via inet 10.0.0.1 dev eth0",
        "to 10.1.0.0/16 dev eth0 preference 0x10",
        "2001:db8::/32 dev eth0 pref low",
        "10.1.0.0/16 encap ip id 5 dst 10.0.0.1 dev eth0",
    ] {
        assert_eq!(about("static_routes", line), [""; 0], "{line}");
    }
    assert!(
        one("static_routes", "0.0.0.0/0 via 10.0.0.1 or 10.0.0.2 dev eth0").starts_with("deprecated-keyword")
    );
    assert!(one("static_routes", "10.1.0.0/16 via").starts_with("missing-value: `via`"));
    assert!(one("static_routes", "via 10.0.0.1").starts_with("entry-option: a route needs a destination"));
    assert!(
        one("static_routes", "10.1.0.0/16 via 10.0.0.1 foo").starts_with("entry-option: `foo` is no word")
    );
    assert!(one("static_routes", "default via gateway").starts_with("bad-address: `gateway`"));
    assert!(one("static_routes", "10.1.0.0/16 dev eth0 quickack 2").starts_with("out-of-range:"));
    for line in [
        "from 10.0.0.0/8 table 100",
        "table 100 priority 5 from 10.0.0.5",
        "fwmark 1/0xff table main",
        "iif eth0 blackhole",
        "type blackhole from all",
        "not from 10.0.0.1 prohibit",
        "sport 80-90 table 5",
        "goto 100 preference 5",
    ] {
        assert_eq!(about("static_rules", line), [""; 0], "{line}");
    }
    assert!(one("static_rules", "from 10.0.0.0/8").starts_with("entry-option: a rule needs an action"));
    assert!(one("static_rules", "from 10.0.0.0/8 tabel 5").starts_with("entry-option: `tabel`"));
    assert!(one("static_rules", "sport 80 table 5").starts_with("entry-option: `sport` takes two"));
}

#[test]
fn old_words_name_their_successor() {
    assert!(one("global_defs", "lvs_flush_onstop").starts_with("deprecated-keyword: `lvs_flush_onstop`"));
    assert!(one("virtual_server/real_server/TCP_CHECK", "nb_get_retry 3").starts_with("obsolete-keyword"));
    assert!(one("virtual_server/real_server/HTTP_GET", "nb_get_retry 3").starts_with("deprecated-keyword"));
    let text = "virtual_server 10.0.0.3 80 {\n nat_mask 255.255.255.0\n}\n";
    let (_, outcome) = common::outcome(text);
    let obsolete = outcome.diagnostics.iter().find(|d| d.id.name() == "obsolete-keyword").unwrap();
    assert_eq!(obsolete.help.as_deref(), Some("remove the line"));
    assert!(obsolete.fix.is_none());
}

#[test]
fn blocks_that_do_nothing() {
    let lacking = |text: &str| {
        let (_, outcome) = common::outcome(text);
        let all = outcome.diagnostics.into_iter().filter(|d| d.id.name() == "incomplete-block");
        all.map(|d| d.message).collect::<Vec<_>>()
    };
    assert_eq!(
        lacking("virtual_server 10.0.0.3 80 {\n}\n"),
        ["`virtual_server` has no `real_server`: the service is skipped"]
    );
    let check =
        |check: &str| format!("virtual_server 10.0.0.3 80 {{\nreal_server 10.0.0.7 80 {{\n{check}\n}}\n}}\n");
    assert_eq!(lacking(&check("MISC_CHECK {\n}")), ["`MISC_CHECK` has no `misc_path`: the check is skipped"]);
    assert_eq!(lacking(&check("HTTP_GET {\nurl {\n}\n}")), ["`url` has no `path`: the URL is skipped"]);
    assert!(lacking(&check("HTTP_GET {\nurl {\npath /\n}\n}\nTCP_CHECK {\n}")).is_empty());
}

#[test]
fn digits_and_codes() {
    let url = "virtual_server/real_server/HTTP_GET/url";
    assert!(one(url, "digest zz").starts_with("bad-number: `zz`"));
    assert!(one(url, "digest 0123").contains("has not 32 digits"));
    assert!(one(url, "status_code 99").starts_with("out-of-range: `99`"));
    assert!(one(url, "status_code 200 300-250").starts_with("out-of-range: `300-250`"));
    assert_eq!(about(url, "status_code 200-204 302"), [""; 0]);
    let udp = "virtual_server/real_server/UDP_CHECK";
    assert!(one(udp, "payload 12x").starts_with("bad-number"));
    assert_eq!(about(udp, "payload abc"), [""; 0]);
    assert_eq!(about(udp, "require_reply 12xX"), [""; 0]);
}
