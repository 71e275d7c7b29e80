//! Nobody believes a forged advert, and each is counted for what is wrong with it. (That nobody moves by one is seen by
//! `reference` and `reasons`, which do not know of it.)

use super::Violation;
use crate::world::World;
use alloc::format;
use vrrp::Discard;

pub(crate) fn look(world: &World) -> Result<(), Violation> {
    for (n, turn) in &world.turns {
        let Some(judgement) = &turn.forged else { continue };
        let fault = |what| Err(Violation::new(world.now, "forgeries", format!("{}: {what}", world.name(*n))));
        let [before, after] = judgement.believed;
        let genuine = u64::try_from(judgement.genuine).unwrap_or(u64::MAX);
        if after > before + genuine {
            return fault(format!("believes one of {:?}", judgement.why));
        }
        for why in Discard::ALL {
            let forged = judgement.why.iter().filter(|other| **other == why).count();
            let count = |at: usize| judgement.discarded.get(at).and_then(|all| all.get(why.index())).copied();
            let counted = count(1).unwrap_or(0) - count(0).unwrap_or(0);
            if counted < u64::try_from(forged).unwrap_or(u64::MAX) {
                let all = &judgement.why;
                return fault(format!("counted {counted} of {forged} forged adverts: {why} (of {all:?})"));
            }
        }
    }
    Ok(())
}
