//! The programs beside the project that a complete test run talks to: real peers, independent decoders.

use std::path::Path;

use anyhow::Result;

use crate::shell;

/// A Debian package, and a file that is there when it is installed.
const PACKAGES: [(&str, &str); 12] = [
    ("arping", "iputils-arping"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("/usr/lib/frr/vrrpd", "frr"),
    ("keepalived", "keepalived"),
    ("nft", "nftables"),
    ("nginx", "nginx-light"),
    ("ps", "procps"),
    ("strace", "strace"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("unshare", "util-linux"),
];

/// Keeps package scripts from starting services on this machine: a router daemon must never run here.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing, or says what to install.
pub(crate) fn provide() -> Result<()> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(file, _)| !is_there(file)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = ["install", "--yes", "--no-install-recommends"];
    let debian = Path::new("/etc/debian_version").exists() && is_there("apt-get");
    if !debian || !is_root() {
        println!(
            "These programs are missing, and tests that need them will be skipped: {}",
            missing.join(" ")
        );
        println!("On Debian: sudo apt-get {} {}", install.join(" "), missing.join(" "));
        return Ok(());
    }
    println!("Installing {}", missing.join(" "));
    let own_policy = !Path::new(POLICY).exists() && write_policy().is_ok();
    let apt = |words: &[&str]| {
        shell::program("apt-get", words).with("DEBIAN_FRONTEND", "noninteractive").succeeds()
    };
    let done = apt(&["update"]).and_then(|_| apt(&[&install[..], &missing].concat()));
    if own_policy {
        std::fs::remove_file(POLICY)?;
    }
    if !done.unwrap_or(false) {
        println!("apt-get did not install them all; tests that need them will say so");
    }
    Ok(())
}

fn write_policy() -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
    std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
}

/// Whether a program (by its name) or a file (by its path) is there.
pub(crate) fn is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(Into::into));
    if name.starts_with('/') {
        Path::new(name).exists()
    } else {
        places.any(|place| place.join(name).is_file())
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}
