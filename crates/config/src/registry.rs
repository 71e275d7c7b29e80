//! Every kind of finding, once: its name, its severity, its title and its page in the manual.
//!
//! The page is the explanation: `explain ID` prints it, and a test runs the examples in it.

use crate::diagnostic::Severity;
use core::fmt;

macro_rules! ids {
    ($($severity:ident $variant:ident $name:literal $title:literal;)*) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id {
            $(#[doc = $title] $variant,)*
        }

        impl Id {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, as users write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it is about, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// Its page in Markdown: why it matters, an example, what to write instead.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../../docs/diagnostics/", $name, ".md")),)*
                }
            }
        }
    };
}

ids! {
    // Files.
    Error FileUnreadable "file-unreadable" "the configuration file cannot be read";
    Error TooLarge "too-large" "too large to be a configuration";
    Error IncludeNotFound "include-not-found" "an include that must be read and is not";
    Note IncludeEmpty "include-empty" "an include that takes nothing in";
    Warning IncludeRefused "include-refused" "a file that is not included although it is there";
    Warning IncludeLoop "include-loop" "a file that includes itself";
    Warning IncludeTooDeep "include-too-deep" "too many includes";
    // Characters.
    Warning LineTooLong "line-too-long" "a line of more than 1023 bytes";
    Warning NulByte "nul-byte" "a line with a NUL byte";
    Warning NotUtf8 "not-utf-8" "a byte that is not UTF-8";
    Warning ByteOrderMark "byte-order-mark" "a byte order mark at the start";
    Warning OddBlank "odd-blank" "a blank that is none";
    Warning OddQuote "odd-quote" "a quote that is none";
    Warning UnterminatedQuote "unterminated-quote" "a quote that nothing closes";
    // Blocks and words.
    Warning MissingOpenBrace "missing-open-brace" "a block without its opening brace";
    Warning MissingCloseBrace "missing-close-brace" "a block without its closing brace";
    Warning ExtraCloseBrace "extra-close-brace" "a closing brace too many";
    Warning UnexpectedOpenBrace "unexpected-open-brace" "an opening brace where no block begins";
    Warning UnknownKeyword "unknown-keyword" "a word that is no keyword here";
    Warning UnknownBlock "unknown-block" "a block that is not known here";
    Warning MisplacedKeyword "misplaced-keyword" "a keyword of another block";
    Warning ObsoleteKeyword "obsolete-keyword" "a word that keepalived no longer knows";
    Note DeprecatedKeyword "deprecated-keyword" "an old word that has a successor";
    Error MissingValue "missing-value" "a keyword without its value";
    Warning EmptyValue "empty-value" "a line that is ignored without its value";
    Warning IncompleteBlock "incomplete-block" "a block without the line that it needs";
    Warning ExtraWords "extra-words" "words that nobody reads";
    Note RepeatedKeyword "repeated-keyword" "a setting that is given twice";
    Warning NotBuilt "not-built" "known, but not built yet";
    Warning FirstCounts "first-counts" "a setting of which only the first line counts";
    Error NamespaceUnclear "namespace-unclear" "a network namespace that is asked for and not given";
    Note NoEffect "no-effect" "known, and without effect here";
    Warning CommentSign "comment-sign" "a comment sign that is none";
    Warning Semicolon "semicolon" "a semicolon at the end of a line";
    Warning MergeMarks "merge-marks" "what a merge left";
    Warning Template "template" "a template that nobody filled in";
    Warning UndefinedName "undefined-name" "a name that is not replaced";
    Warning BadBuiltIn "bad-built-in" "a built-in name with wrong parameters";
    Warning BadLoop "bad-loop" "a loop that cannot be read";
    Warning EndlessDefinition "endless-definition" "names that stand for too much";
    // Values.
    Warning BadNumber "bad-number" "not a number";
    Warning OutOfRange "out-of-range" "a number outside its range";
    Warning BadSwitch "bad-switch" "neither on nor off";
    Warning UnknownWord "unknown-word" "a word that is none of the possible ones";
    Warning BadAddress "bad-address" "not an IP address";
    Warning FwmarkIgnored "fwmark-ignored" "what a fwmark service does not take";
    Warning BadPrefix "bad-prefix" "not a prefix length";
    Warning AddressOption "address-option" "an option of an address that cannot be";
    Warning EntryOption "entry-option" "an option of a list entry that cannot be";
    Warning NotMulticast "not-multicast" "a group that is not multicast";
    Warning DuplicateEntry "duplicate-entry" "an entry that stands twice in a list";
    // Instances.
    Note NoInstance "no-instance" "a configuration without a virtual router";
    Warning InstanceName "instance-name" "an instance without exactly one name";
    Warning InstanceTwice "instance-twice" "two instances of one name";
    Error VridMissing "vrid-missing" "an instance without a VRID";
    Error VridOutOfRange "vrid-out-of-range" "a VRID that does not exist";
    Error VridTwice "vrid-twice" "one virtual router configured twice";
    Warning VridShared "vrid-shared" "an instance that takes the adverts of another";
    Error InterfaceMissing "interface-missing" "an instance without an interface";
    Error InterfaceName "interface-name" "not the name of an interface";
    Error InterfaceLoopback "interface-loopback" "VRRP on the loopback interface";
    Warning InterfaceAbsent "interface-absent" "an interface that is not there now";
    Warning NotAVrf "not-a-vrf" "a vrf that is another kind of interface";
    Warning VrfIgnored "vrf-ignored" "vrf together with an interface";
    Warning UnknownState "unknown-state" "a state other than MASTER and BACKUP";
    Note PriorityMissing "priority-missing" "an instance without a priority";
    Warning NopreemptIgnored "nopreempt-ignored" "nopreempt that cannot work";
    Warning PreemptDelayIgnored "preempt-delay-ignored" "preempt_delay that cannot work";
    Warning TimerExpiredIgnored "timer-expired-ignored" "timer_expired_backup that cannot work";
    Warning IntervalAltered "interval-altered" "an interval that the version cannot carry";
    Warning VersionConflict "version-conflict" "a version that cannot be";
    Warning OwnerOnly "owner-only" "a setting for the address owner only";
    Warning OwnInterfaceTracked "own-interface-tracked" "the own interface, tracked twice";
    Warning NoPeers "no-peers" "unicast without peers";
    // Addresses.
    Error NoAddress "no-address" "a version 3 instance without an address";
    Warning NoAddressV2 "no-address-v2" "a version 2 instance without an address";
    Warning TooManyAddresses "too-many-addresses" "more addresses than an advert can list";
    Warning OtherFamily "other-family" "IPv4 and IPv6 in one instance";
    Warning DuplicateAddress "duplicate-address" "an address that stands twice";
    // Authentication.
    Warning AuthPassTooLong "auth-pass-too-long" "a password of more than 8 characters";
    Warning AuthPassCut "auth-pass-cut" "a password that a comment cuts off";
    Warning AuthIncomplete "auth-incomplete" "authentication without its password or type";
    Warning AuthTypeUnknown "auth-type-unknown" "an authentication that does not exist";
    Warning AuthWithV3 "auth-with-v3" "authentication in version 3";
    Warning AuthReplaced "auth-replaced" "two kinds of authentication";
    Error HmacKey "hmac-key" "a key that cannot sign";
    Note HmacMode "hmac-mode" "signatures that nobody must have";
    // Scripts, trackers, groups and notifications.
    Warning CommandCut "command-cut" "a command without its arguments";
    Warning CommandEmpty "command-empty" "a command of no words";
    Warning ScriptMissing "script-missing" "a script that does not exist";
    Warning ScriptNotExecutable "script-not-executable" "a script that its user may not run";
    Warning ScriptInterpreter "script-interpreter" "a script that nothing here can run";
    Warning ScriptUnsafe "script-unsafe" "a script of root that others may change";
    Warning ScriptUser "script-user" "a script of a user that cannot be had";
    Warning ScriptBare "script-bare" "a script that does not say what runs it";
    Note CommandShell "command-shell" "a command for a shell that nobody starts";
    Warning CommandUser "command-user" "an argument in the place of a user";
    Warning NotifyTwice "notify-twice" "two programs for one event";
    Warning MailAddress "mail-address" "a mail address that is none";
    Warning TrackerIncomplete "tracker-incomplete" "something to track that says not what";
    Warning TrackerTwice "tracker-twice" "two things to track of one name";
    Warning TrackerUnknown "tracker-unknown" "something tracked that is not defined";
    Warning TrackerLate "tracker-late" "something tracked before it is defined";
    Warning TrackerUnused "tracker-unused" "something to track that nobody tracks";
    Warning BfdImpossible "bfd-impossible" "a BFD session that cannot be";
    Warning OwnerWeight "owner-weight" "a weight at the address owner";
    Warning SourceMissing "source-missing" "track_src_ip without a source";
    Warning GroupName "group-name" "a group without a name of its own";
    Warning GroupMember "group-member" "a member that a group cannot have";
    Warning GroupSmall "group-small" "a group of fewer than two";
    Warning GroupWeight "group-weight" "a weight in a group that allows none";
    // Advice about one file.
    Note KnownPassword "known-password" "a password that everybody knows";
    Note AddressShared "address-shared" "an address of two instances";
    Note AddressTaken "address-taken" "a virtual address that a machine has for itself";
    Note AddressUnfit "address-unfit" "an address that no machine can serve";
    Note AddressUnreachable "address-unreachable" "an address outside every subnet of its interface";
    Note OwnerWithoutAddress "owner-without-address" "priority 255 without the address";
    Note OwnPeer "own-peer" "a node that is its own partner";
    Note WeightWithoutEffect "weight-without-effect" "a weight that changes nothing";
    Note TimeoutBeyondInterval "timeout-beyond-interval" "a timeout longer than the interval";
    Note SlowCheck "slow-check" "a check that notices late";
    Note BfdPartner "bfd-partner" "an instance that fails with its partner";
    Note BfdTight "bfd-tight" "a BFD session that a pause takes down";
    Note BfdPath "bfd-path" "a BFD session that may not find its neighbour";
    Note TightInterval "tight-interval" "an interval that no machine keeps";
    Note SlowTakeover "slow-takeover" "an interval with which a failure lasts";
    Note AnnouncementFlood "announcement-flood" "thousands of announcements at once";
    Note MailNowhere "mail-nowhere" "mail without a server or a recipient";
    Note MailUnused "mail-unused" "mail that nobody asks for";
    Warning LinkDelayCut "link-delay-cut" "a link delay that the partners do not wait for";
    Warning StrictMode "strict-mode" "what strict mode does not allow";
    // Two nodes of a cluster.
    Note PairSameText "pair-same-text" "two nodes with one text";
    Note PairStrangers "pair-strangers" "files that are no cluster";
    Note PairAlone "pair-alone" "an instance without a partner";
    Warning PairVrid "pair-vrid" "nodes with different VRIDs";
    Warning PairFamily "pair-family" "nodes with different address families";
    Warning PairVersion "pair-version" "nodes with different versions";
    Warning PairInterval "pair-interval" "version 2 nodes with different intervals";
    Note PairIntervalLearnt "pair-interval-learnt" "version 3 nodes with different intervals";
    Warning PairAuthentication "pair-authentication" "nodes with different authentication";
    Warning PairChecksum "pair-checksum" "nodes with different checksums";
    Warning PairTransport "pair-transport" "one node by unicast, the other by multicast";
    Warning PairGroup "pair-group" "nodes in different multicast groups";
    Warning PairPeer "pair-peer" "a partner that is no unicast peer";
    Warning PairSameSource "pair-same-source" "two nodes that send from one address";
    Note PairStatic "pair-static" "a static address on two nodes";
    Warning PairAddresses "pair-addresses" "nodes with different addresses";
    Note PairPrefix "pair-prefix" "one address with two prefix lengths";
    Note PairPriority "pair-priority" "nodes of the same priority";
    Warning PairOwners "pair-owners" "two owners of one address";
    Note PairStateBoth "pair-state-both" "state MASTER on more than one node";
    Note PairStateLower "pair-state-lower" "state MASTER with the lower priority";
    Note PairNopreempt "pair-nopreempt" "nopreempt on some nodes only";
    Note PairTracking "pair-tracking" "something that only one node tracks";
    Warning PairSyncGroup "pair-sync-group" "nodes with different sync groups";
    Warning PairWeight "pair-weight" "weights that never move the address";
    Note PairWeightAlone "pair-weight-alone" "a weight that alone does not move the address";
    Warning PairWeightNopreempt "pair-weight-nopreempt" "weights that nopreempt makes useless";
    // Other versions of keepalived.
    Warning TooNew "too-new" "a keyword that this keepalived does not know";
}

impl Id {
    /// The kind of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| id.name() == name)
    }

    /// Whether such a finding is not worth a line when its line was already found to be damaged.
    pub(crate) const fn is_consequence(self) -> bool {
        matches!(
            self,
            Self::UnknownKeyword
                | Self::UnknownBlock
                | Self::MisplacedKeyword
                | Self::ObsoleteKeyword
                | Self::DeprecatedKeyword
                | Self::ExtraWords
                | Self::BadNumber
                | Self::OutOfRange
                | Self::BadSwitch
                | Self::UnknownWord
                | Self::BadAddress
                | Self::BadPrefix
                | Self::AddressOption
                | Self::EntryOption
                | Self::NotMulticast
                | Self::InterfaceAbsent
                | Self::UnknownState
                | Self::AuthTypeUnknown
        )
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_found_again() {
        for id in Id::ALL {
            assert!(id.name().chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()));
            assert_eq!(Id::of(id.name()), Some(*id));
        }
    }
}
