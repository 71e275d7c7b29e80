//! What another version of keepalived makes of a configuration.

use crate::diagnostic::Findings;
use crate::registry::Id;
use crate::table::Release;
use crate::tree::{At, Tree};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Reports the keywords that are newer than `release`; of a block that is, only the outermost.
pub(crate) fn newer(tree: &Tree<'_>, release: Release, findings: &mut Findings) {
    let mut open: Vec<At<'_, '_>> = tree.roots().collect();
    while let Some(at) = open.pop() {
        let Some(keyword) = at.node.keyword else { continue };
        match keyword.since().filter(|since| *since > release) {
            Some(since) => {
                let span = at.words().first().map_or(at.node.span, |word| word.span);
                findings.add_once((Id::TooNew, keyword.name, String::new()), span, |d| {
                    let d = d.say(format!(
                        "`{}` came with keepalived {since}: {release} does not know it",
                        keyword.name
                    ));
                    if keyword.shape.opens() {
                        d.help("an unknown block ends the block around it: take it out, or update first")
                    } else {
                        d.help("the line is ignored there: take it out, or update first")
                    }
                });
            }
            None if keyword.shape.opens() => open.extend(at.children()),
            None => {}
        }
    }
}
