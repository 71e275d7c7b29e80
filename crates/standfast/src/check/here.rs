//! What is known of this machine when a configuration is checked for it.

use crate::daemon::host_name;
use config::{Interface, ProgramFlaw, Surroundings};
use linux::netlink::Netlink;
use linux::script::{Accounts, path};
use model::{Account, Command, Hook, Host};
use node::io::Reason;
use std::collections::BTreeMap;

/// This machine: its name, and its interfaces if they count and can be listed.
#[must_use]
pub fn surroundings(config_id: Option<String>, with_interfaces: bool) -> Surroundings {
    Surroundings {
        host_name: host_name(),
        config_id,
        interfaces: with_interfaces.then(interfaces).and_then(Result::ok),
        programs: BTreeMap::new(),
        hooks: BTreeMap::new(),
        keepalived: None,
        all_includes: false,
        environment: crate::sources::environment(),
    }
}

/// The interfaces of this network namespace with their addresses, by name. Addresses that Standfast set do
/// not count: they come and go.
///
/// # Errors
/// When the kernel does not list them.
pub fn interfaces() -> linux::error::Result<BTreeMap<String, Interface>> {
    let mut netlink = Netlink::open()?;
    let links = netlink.dump_links()?;
    let addresses = netlink.dump_addresses()?;
    let vrfs = links.iter().filter(|link| link.is_vrf).map(|link| (link.index, &link.name));
    let vrfs: BTreeMap<_, _> = vrfs.collect();
    let mut all: BTreeMap<_, _> = links
        .iter()
        .map(|link| {
            let vrf = link.master.and_then(|master| vrfs.get(&master)).map(|name| name.to_string());
            (
                link.index,
                (link.name.to_string(), Interface { addresses: Vec::new(), is_vrf: link.is_vrf, vrf }),
            )
        })
        .collect();
    for one in addresses.iter().filter(|one| !one.marked) {
        if let Some((_, interface)) = all.get_mut(&one.interface) {
            interface.addresses.push((one.address, one.prefix));
        }
    }
    Ok(all.into_values().collect())
}

/// What is wrong with the programs that a host names.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// Those of scripts, by the script's name.
    pub scripts: BTreeMap<String, ProgramFlaw>,
    /// Those that are told of changes.
    pub hooks: BTreeMap<Hook, ProgramFlaw>,
}

/// Looks at the programs of a host as their users would run them; none is run.
#[must_use]
pub fn programs(host: &Host) -> Programs {
    let mut accounts = Accounts::default();
    let mut flaw = |command: &Command, account: Option<&Account>| {
        let account = account.or(host.script_settings.account.as_ref());
        let user = account.map(|account| &*account.user);
        let group = account.and_then(|account| account.group.as_deref());
        let who = match accounts.resolve(user, group) {
            Ok(who) if who.is_own() || rustix::process::geteuid().is_root() => who,
            Ok(who) => return Some(ProgramFlaw::NoSwitch(who.name)),
            Err(reason) => return said(reason),
        };
        let Command::Run { path: command, .. } = command else { return None };
        match path::examine(command, &who) {
            Err(reason) => said(reason),
            Ok(found) => match found.unsafety {
                Some(reason) => said(reason),
                None => found.needs_shell.then(|| ProgramFlaw::Bare(found.file.display().to_string())),
            },
        }
    };
    let scripts = host.scripts.iter().filter_map(|script| {
        Some((script.name.to_string(), flaw(&script.command, script.account.as_ref())?))
    });
    let scripts = scripts.collect();
    // Many instances name the same program.
    let mut hooks: BTreeMap<Hook, Option<ProgramFlaw>> = BTreeMap::new();
    for hook in host.hooks() {
        if !hooks.contains_key(hook) {
            hooks.insert(hook.clone(), flaw(&hook.command, hook.account.as_ref()));
        }
    }
    let hooks = hooks.into_iter().filter_map(|(hook, flaw)| Some((hook, flaw?))).collect();
    Programs { scripts, hooks }
}

/// A reason as the configuration language knows it; what only a moment has (no memory, a file system that does
/// not answer) says nothing about a file.
fn said(reason: Reason) -> Option<ProgramFlaw> {
    match reason {
        Reason::Flaw(flaw) => Some(ProgramFlaw::Flaw(flaw)),
        Reason::Switch { user, .. } => Some(ProgramFlaw::NoSwitch(user)),
        Reason::Refused(_) | Reason::NoRunner | Reason::NotBegun => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Flaw;

    #[test]
    fn programs_are_looked_at_as_their_users_would_run_them() {
        let text = |script: &str, user: &str| {
            format!(
                "vrrp_script chk {{\nscript \"{script}\"\nuser {user}\n}}\nvrrp_instance A {{\ninterface eth0\n\
                 virtual_router_id 7\nvirtual_ipaddress {{\n10.0.0.3\n}}\ntrack_script {{\nchk\n}}\nnotify \"{script}\" {user}\n}}\n"
            )
        };
        let flaw = |script: &str, user: &str| {
            let mut sources = config::Sources::new();
            sources.add_root("f", text(script, user).into_bytes());
            let config::Loaded::Done(outcome) = config::load(&sources, &Surroundings::default()) else {
                panic!("nothing is included")
            };
            let mut found = programs(&outcome.host.unwrap());
            // The same program is told of a change, too.
            assert_eq!(found.hooks.into_values().next(), found.scripts.get("chk").cloned());
            found.scripts.remove("chk")
        };
        assert_eq!(flaw("/bin/sh -c true", "root"), None);
        assert_eq!(flaw("sh", "root"), None);
        assert_eq!(flaw("</nonexistent/x", "root"), None);
        assert_eq!(
            flaw("/nonexistent/a/b", "root"),
            Some(ProgramFlaw::Flaw(Flaw::Missing("/nonexistent".into())))
        );
        assert_eq!(flaw("/etc", "root"), Some(ProgramFlaw::Flaw(Flaw::NotAFile("/etc".into()))));
        let nobody = ProgramFlaw::Flaw(Flaw::NoAccount("no-such-user".into()));
        assert_eq!(flaw("/bin/sh", "no-such-user"), Some(nobody));
    }

    #[test]
    fn the_loopback_interface_is_always_there_where_one_may_look() {
        match (linux::privileges::forbidden_netns(), interfaces()) {
            (Ok(()), found) => assert!(found.unwrap().contains_key("lo")),
            (Err(_), found) => assert!(found.is_err(), "nothing is opened in a forbidden namespace"),
        }
    }
}
