//! A split brain: both machines are well, and hear each other no more. Each does what is right for a machine that is
//! alone, and that is wrong (S10). No VRRP can prevent it; what can be done is to say so, and to end it at once.

use std::time::Duration;

use lab::{Lossy, Result};
use serde_json::json;
use timeline::Instant;

use super::{ALARM, LB01, LB02, Story};
use crate::demo::judge::{self, Split, Takeover, Window};
use crate::demo::report::Step;
use crate::demo::scenario::{down, heard, unheard};
use crate::demo::without_time;

/// What Standfast says when it is not heard. It stands in the manual, and people search logs for it.
const UNHEARD: &str = "does not hear us";
/// What both daemons say when they take the address.
const TAKES: &str = "Entering MASTER STATE";
/// What both say when they let it go.
const YIELDS: &str = "Entering BACKUP STATE";

impl Story<'_> {
    /// S10: the way between the two is cut, half open, and open again.
    pub(super) fn split(&mut self, step: &mut Step) -> Result<()> {
        let last = self.world.wait_next_advert(LB01)?;
        self.world.eyes().begin("7 cut");
        let cut = lab::now();
        self.world.cut()?;
        let announced = self.world.wait_announcement(LB02, last)?;
        let (base, _) = self.world.last_heard(LB02, announced).unwrap_or((last, 0));
        self.world.wait_served(LB02)?;
        self.world.wait_next_advert(LB01)?;
        self.world.wait_next_advert(LB02)?;
        let held = [self.world.service_address(LB01)?, self.world.service_address(LB02)?];
        let history = self.world.eyes().history();
        let window = Window::since(&history, cut);
        judge::takeover(step, &window, &Takeover { by: LB02, base, wait: down(LB02).length, announced });
        two_addresses(step, &held);
        self.logs_of_the_cut(step, base, cut)?;
        let deaf = self.half_open(step)?;

        self.world.eyes().begin("heal");
        let healed = lab::now();
        match deaf {
            Some(deaf) => deaf.heal()?,
            None => self.world.join()?,
        }
        self.world.wait_holds(LB02, false)?;
        self.world.wait_answer(LB01)?;
        self.world.wait_served(LB01)?;
        self.world.wait_next_advert(LB01)?;
        let left = [self.world.service_address(LB01)?.is_some(), self.world.service_address(LB02)?.is_some()];
        let history = self.world.eyes().history();
        let window = Window::since(&history, cut);
        let yields = self.told(LB02, YIELDS, healed)?;
        judge::says(step, LB02, healed, &yields, heard().length + window.slack());
        judge::client_of_two(step, &window);
        judge::service(step, &window, Duration::ZERO, &[LB01, LB02, LB01]);
        judge::wire(step, &window, self.world.eyes().dropped());
        judge::split(step, &window, Split { cut, healed, allowed: heard().length }, left);
        Ok(())
    }
    /// What the logs say of a cut in both directions.
    fn logs_of_the_cut(&self, step: &mut Step, base: Instant, cut: Instant) -> Result<()> {
        let took = self.told(LB02, TAKES, base)?;
        let history = self.world.eyes().history();
        let limit = down(LB02).length + Window::since(&history, cut).slack();
        judge::says(step, LB02, base, &took, limit);
        let said = self.world.said(LB01, cut, lab::now());
        let last = said.last().map(|line| without_time(&line.text));
        let text = match last {
            Some(line) => format!("lb01: {line}"),
            None => "lb01 says nothing: a cut sounds like a backup that keeps quiet".to_owned(),
        };
        step.check("log", text, vec![], json!({ "machine": LB01.name(), "line": last }));
        Ok(())
    }

    /// The way is open from lb02 to lb01 alone: now lb01 can know, and says so. The result ends that.
    fn half_open(&self, step: &mut Step) -> Result<Option<Lossy>> {
        let left_out = |step: &mut Step, why: String| {
            let facts = json!({ "left_out": why });
            step.check("half open", format!("left out: {why}"), vec![], facts);
        };
        self.world.eyes().begin("half");
        let deaf = match self.world.deafen(LB02) {
            Ok(deaf) => deaf,
            Err(why) => {
                left_out(step, why.to_string());
                return Ok(None);
            }
        };
        let half = lab::now();
        self.world.join()?;
        if self.world.is_keepalived(LB01) {
            self.world.wait_adverts(LB02, 3)?;
            left_out(step, "keepalived does not tell when it is not heard".to_owned());
            return Ok(Some(deaf));
        }
        let said = self.world.wait_said(LB01, UNHEARD, half)?;
        let text = without_time(&said.text).trim_start_matches(ALARM).to_owned();
        let history = self.world.eyes().history();
        let limit = unheard().length + Window::since(&history, half).slack();
        judge::says(step, LB01, half, &(said.at, text), limit);
        Ok(Some(deaf))
    }
}

/// Both have the address, to the letter of `ip addr`.
fn two_addresses(step: &mut Step, held: &[Option<String>; 2]) {
    let [one, two] = held.each_ref().map(|held| held.as_deref().unwrap_or("not"));
    let right = held.iter().all(|held| held.as_deref() == Some("10.0.0.3/32"));
    let why =
        if right { vec![] } else { vec!["cut off from each other, both should have 10.0.0.3/32".to_owned()] };
    let text = format!("on eth0 lb01 has {one}, lb02 has {two}: two holders");
    step.check("ip addr", text, why, json!({ "lb01": held[0], "lb02": held[1] }));
}
