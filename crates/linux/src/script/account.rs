//! Whose rights a script gets.

use crate::sys::account;
use model::Flaw;
use node::io::{Errno, Reason};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

/// Who runs the scripts for which nobody is named, if there is such a user.
pub const DEFAULT: &str = "keepalived_script";

/// A user and its groups, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, or its number where it has none.
    pub name: String,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// The one that this process has.
    #[must_use]
    pub fn own() -> Self {
        let (user, group) = own_ids();
        let mut groups: Vec<u32> = rustix::process::getgroups()
            .map(|list| list.into_iter().map(rustix::process::Gid::as_raw).collect())
            .unwrap_or_default();
        groups.push(group);
        let name = account::user_of(user).ok().flatten();
        let name = name.map_or_else(|| user.to_string(), |(name, _)| name.to_string_lossy().into_owned());
        Self { name, user, group, groups }
    }

    /// Whether it is what this process has already.
    #[must_use]
    pub fn is_own(&self) -> bool {
        (self.user, self.group) == own_ids()
    }
}

fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Looks a user and a group up; names first, then numbers. Without a user it is [`DEFAULT`], and without that
/// one this process's own identity.
///
/// # Errors
/// Why there is no such identity.
pub fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Identity, Reason> {
    let Some(user) = user else {
        return match look_up(DEFAULT)? {
            Some((name, number, own_group)) => finish(DEFAULT, name, number, own_group, group),
            None => Ok(Identity::own()),
        };
    };
    match look_up(user)? {
        Some((name, number, own_group)) => finish(user, name, number, own_group, group),
        None => Err(Reason::Flaw(Flaw::NoAccount(user.to_owned()))),
    }
}

/// Name as the database has it, number, and own group.
type Found = (Option<CString>, u32, Option<u32>);

fn look_up(user: &str) -> Result<Option<Found>, Reason> {
    let failed = |errno| Reason::Switch { user: user.to_owned(), errno: Errno(errno) };
    let Ok(name) = CString::new(user) else { return Ok(None) };
    if let Some((number, group)) = account::user(&name).map_err(failed)? {
        return Ok(Some((Some(name), number, Some(group))));
    }
    let Ok(number) = user.parse::<u32>() else { return Ok(None) };
    Ok(Some(match account::user_of(number).map_err(failed)? {
        Some((name, group)) => (Some(name), number, Some(group)),
        None => (None, number, None),
    }))
}

fn finish(
    shown: &str,
    name: Option<CString>,
    user: u32,
    own_group: Option<u32>,
    group: Option<&str>,
) -> Result<Identity, Reason> {
    // `:GROUP` is one more besides the user's own.
    let further = group.and_then(|group| group.strip_prefix(':'));
    let group = match (group.filter(|_| further.is_none()), own_group) {
        (Some(group), _) => look_up_group(group)?,
        (None, Some(group)) => group,
        (None, None) => return Err(Reason::Flaw(Flaw::NoAccount(shown.to_owned()))),
    };
    let mut groups = name.map_or_else(|| vec![group], |name| account::groups_of(&name, group));
    groups.extend(further.map(look_up_group).transpose()?);
    Ok(Identity { name: shown.to_owned(), user, group, groups })
}

fn look_up_group(group: &str) -> Result<u32, Reason> {
    let found = CString::new(group).map_or(Ok(None), |name| account::group(&name));
    let found = found.map_err(|errno| Reason::Switch { user: group.to_owned(), errno: Errno(errno) })?;
    found.or_else(|| group.parse().ok()).ok_or_else(|| Reason::Flaw(Flaw::NoAccount(group.to_owned())))
}

/// User and group as they were asked for.
type Key = (Option<String>, Option<String>);

/// Answers of [`resolve`], kept for a while: the database may be slow, or far away.
#[derive(Debug, Default)]
pub struct Accounts {
    known: BTreeMap<Key, (Instant, Result<Identity, Reason>)>,
}

impl Accounts {
    const FOUND: Duration = Duration::from_secs(60);
    const MISSED: Duration = Duration::from_secs(5);
    const MOST: usize = 1024;

    /// The same as [`resolve`].
    ///
    /// # Errors
    /// The same.
    pub fn resolve(&mut self, user: Option<&str>, group: Option<&str>) -> Result<Identity, Reason> {
        let key = (user.map(str::to_owned), group.map(str::to_owned));
        if let Some((since, answer)) = self.known.get(&key) {
            let valid = if answer.is_ok() { Self::FOUND } else { Self::MISSED };
            if since.elapsed() < valid {
                return answer.clone();
            }
        }
        let mut answer = resolve(user, group);
        // A database that cannot be asked now has not changed its mind.
        if matches!(answer, Err(Reason::Switch { .. }))
            && let Some((_, Ok(before))) = self.known.get(&key)
        {
            answer = Ok(before.clone());
        }
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        self.known.insert(key, (Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_others_are_named() {
        let nobody = resolve(Some("nobody"), None).unwrap();
        assert_eq!((nobody.name.as_str(), nobody.groups.contains(&nobody.group)), ("nobody", true));
        let number = resolve(Some(&nobody.user.to_string()), None).unwrap();
        assert_eq!((number.user, number.group), (nobody.user, nobody.group));
        assert_eq!(resolve(Some("root"), Some("0")).unwrap().group, 0);
        let missing = |name: &str| Err(Reason::Flaw(Flaw::NoAccount(name.into())));
        assert_eq!(resolve(Some("nosuch"), None), missing("nosuch"));
        assert_eq!(resolve(Some("root"), Some("nosuchgroup")), missing("nosuchgroup"));
        // A number without an entry has no group of its own.
        assert_eq!(resolve(Some("4000000000"), None), missing("4000000000"));
        let further = resolve(Some("nobody"), Some(":root")).unwrap();
        assert_eq!((further.group, further.groups.contains(&0)), (nobody.group, true));
        assert_eq!(resolve(Some("4000000000"), Some("5")).unwrap().groups, [5]);
    }

    #[test]
    fn answers_are_kept() {
        let mut accounts = Accounts::default();
        let first = accounts.resolve(Some("nobody"), None);
        assert_eq!(accounts.resolve(Some("nobody"), None), first);
        assert!(accounts.resolve(Some("nosuchuser"), None).is_err());
        assert_eq!(accounts.known.len(), 2);
    }
}
