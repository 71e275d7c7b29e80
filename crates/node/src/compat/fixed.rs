//! Static addresses, in the log and in the dump.

use super::Secs;
use crate::event::StaticNews;
use crate::status::{AddressState, AddressStatus};
use core::fmt::{self, Write};
use core::net::IpAddr;

/// What became of one, as a line of the log.
pub(super) fn write_news(
    f: &mut fmt::Formatter<'_>,
    address: IpAddr,
    interface: &str,
    news: &StaticNews,
) -> fmt::Result {
    match news {
        StaticNews::Lost { by, wait } => {
            write!(f, "static address {address} was removed from {interface}")?;
            if let Some(by) = by {
                write!(f, " by {by}")?;
            }
            match wait {
                None => {
                    f.write_str("; it stays away (no_track) until a reload, or until its interface is new")
                }
                Some(wait) if wait.is_zero() => f.write_str("; setting it again at once"),
                Some(wait) => {
                    write!(f, " again and again; next try in {}. Find out who removes it", Secs(*wait))
                }
            }
        }
        StaticNews::Adopted => {
            write!(f, "static address {address} was on {interface} already; it will be left there at the end")
        }
        StaticNews::Refused { errno, wait } => {
            write!(
                f,
                "cannot set static address {address} on {interface}: {errno}; trying every {}",
                Secs(*wait)
            )
        }
    }
}

/// All of them, as in the dump.
pub(super) fn write_addresses(out: &mut impl Write, addresses: &[AddressStatus]) -> fmt::Result {
    if addresses.is_empty() {
        return Ok(());
    }
    writeln!(out, " Static addresses ({}):", addresses.len())?;
    addresses.iter().try_for_each(|address| write_address(out, address))
}

/// One address and how it is, as in the dump.
pub(super) fn write_address(out: &mut impl Write, address: &AddressStatus) -> fmt::Result {
    let state = match address.state {
        AddressState::Absent => "",
        AddressState::Adding => " (being set)",
        AddressState::Held => " set",
        AddressState::Foreign => " set, not by us",
        AddressState::Removing => " (being removed)",
        AddressState::Refused(_) => " refused",
    };
    writeln!(out, "     {}/{} dev {}{state}", address.address, address.prefix, address.device)
}
