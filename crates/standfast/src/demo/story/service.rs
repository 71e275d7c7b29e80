//! A dying service: the machine is well, what it is there for is not. A script finds out, and the address goes to the
//! machine whose service answers (S7).

use lab::Result;

use super::{LB01, LB02, Story};
use crate::demo::judge::{self, Noticed, Takeover, Window};
use crate::demo::measure::Power;
use crate::demo::report::Step;
use crate::demo::scenario::{Pair, down, noticed, noticed_back, skew};
use crate::demo::world::LISTENS;

/// What both daemons say when a check has failed.
const FAULT: &str = "Entering FAULT STATE";

impl Story<'_> {
    /// Both have a service and look after it; lb01 has the address, and the client is served there.
    fn look_after(&mut self) -> Result<()> {
        self.world.eyes().turn_page();
        self.world.eyes().begin("6 service");
        for who in [LB01, LB02] {
            self.world.ask_to_stop(who)?;
            self.world.wait_end(who)?;
            self.world.start_service(who)?;
        }
        let started = self.world.start(LB01, Pair::Looking)?;
        self.world.start(LB02, Pair::Looking)?;
        self.world.wait_announcement(LB01, started)?;
        self.world.wait_answer(LB01)?;
        self.world.call_service()?;
        self.world.wait_served(LB01)
    }

    /// S7: the service of lb01 dies, and comes back.
    pub(super) fn service(&mut self, step: &mut Step) -> Result<()> {
        self.look_after()?;
        self.world.wait_next_advert(LB01)?;
        let before = self.world.client_believes()?;
        self.world.eyes().begin("dies");
        let died = self.world.kill_service(LB01)?;
        let announced = self.world.wait_announcement(LB02, died)?;
        let heard = self.world.last_heard(LB02, announced);
        self.world.wait_served(LB02)?;
        self.world.wait_next_advert(LB02)?;
        let moved = self.world.client_believes()?;
        let fault = self.told(LB01, FAULT, died)?;
        self.world.eyes().note(LB01, fault.0, Power::Fault);
        let resigned = heard.filter(|(_, priority)| *priority == 0).map(|(at, _)| at);
        let (base, wait) = match (resigned, heard) {
            (Some(at), _) => (at, skew(LB02).length),
            (None, heard) => (heard.map_or(died, |(at, _)| at), down(LB02).length),
        };
        let history = self.world.eyes().history();
        let window = Window::since(&history, died);
        let limit = noticed().length;
        judge::notices_death(step, &window, Noticed { changed: died, noticed: resigned, limit });
        judge::says(step, LB01, died, &fault, limit + window.slack());
        judge::takeover(step, &window, &Takeover { by: LB02, base, wait, announced });
        judge::client(step, &window, skew(LB02).length, LB02);
        judge::service(step, &window, limit + skew(LB02).length, &[LB02]);
        judge::arp(step, history.macs, before, moved, LB02);

        self.world.eyes().begin("back");
        let back = self.world.start_service(LB01)?;
        let listening = self.world.wait_said(LB01, LISTENS, back)?.at;
        self.world.eyes().note(LB01, listening, Power::Serving);
        let announced = self.world.wait_announcement(LB01, listening)?;
        self.world.wait_answer(LB01)?;
        self.world.wait_holds(LB02, false)?;
        self.world.wait_served(LB01)?;
        self.world.wait_next_advert(LB01)?;
        let history = self.world.eyes().history();
        let window = Window::since(&history, back);
        let limit = noticed_back().length;
        judge::notices_return(step, &window, Noticed { changed: back, noticed: Some(listening), limit });
        let taken = Takeover { by: LB01, base: listening, wait: down(LB01).length, announced };
        judge::takeover_after(step, &window, &taken, ("its service", back));
        judge::service(step, &window, std::time::Duration::ZERO, &[LB02, LB01]);
        let all = Window::since(&history, died);
        judge::wire(step, &all, self.world.eyes().dropped());
        judge::holders(step, &all, true, 2);
        Ok(())
    }
}
