//! What can happen in a story.
//!
//! | act | what happens |
//! |---|---|
//! | `start M…`, `stop M…`, `restart M` | daemons start at once, end in order, end and start again |
//! | `power off M`, `power on M` | the machine dies without a word; it boots and its daemon starts |
//! | `kill worker M` | the process that speaks dies |
//! | `unplug M`, `plug M` | no carrier |
//! | `link down M IF`, `link up M IF` | as an administrator does |
//! | `far down M IF`, `far up M IF` | the other end of a cable to nowhere |
//! | `fail M NAME`, `mend M NAME` | what `/run/check NAME` says |
//! | `write M PATH TEXT`, `erase M PATH` | a file |
//! | `reload M`, `change M OLD => NEW` | HUP; with other text in the file |
//! | `take M FILE` | the same with another file of the case |
//! | `cut M N`, `deafen M`, `mute M`, `heal` | neither hears the other; hears no VRRP; none of its VRRP is heard; all is well |
//! | `delete M ADDRESS IF`, `add M ADDRESS IF` | by hand |
//! | `nothing` | time passes |

use std::time::Duration;

use lab::harness::{Stop, fail};
use lab::{Change, Daemon, Ended, Signal, Traffic};

use crate::stage::{CONF, Stage};

/// Within this time a daemon ends that was asked to, and a link runs.
const SOON: Duration = Duration::from_secs(20);

impl Stage {
    /// Does one thing.
    pub(crate) fn act(&mut self, text: &str) -> Result<(), Stop> {
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["nothing"] => Ok(()),
            ["start", names @ ..] => self.begin_all(names),
            ["stop", names @ ..] => self.stop(names),
            ["restart", name] => {
                self.stop(&[name])?;
                self.begin_all(&[name])
            }
            ["power", "off", name] => self.power_off(name),
            ["power", "on", name] => self.power_on(name),
            ["kill", "worker", name] => self.kill_worker(name),
            ["reload", name] => self.reload(name),
            ["change", name, change @ ..] => self.change(name, &change.join(" ")),
            ["take", name, file] => {
                let file = self.files.get(*file).cloned();
                self.rewrite(name, file.ok_or_else(|| fail("the case has no such file"))?)
            }
            ["deafen", name] => {
                let node = self.number(name)?;
                self.losses.push(self.lab.lose_to(&self.nodes[node].machine, Traffic::Vrrp)?);
                Ok(())
            }
            ["mute", name] => {
                let node = self.number(name)?;
                self.losses.push(self.lab.lose_from(&self.nodes[node].machine, Traffic::Vrrp)?);
                Ok(())
            }
            ["cut", one, other] => {
                let (one, other) = (self.number(one)?, self.number(other)?);
                Ok(self.lab.isolate(&[&self.nodes[one].machine, &self.nodes[other].machine])?)
            }
            ["heal"] => {
                self.losses.clear();
                Ok(self.lab.heal()?)
            }
            words => self.on_machine(words),
        }
    }

    /// What happens to a machine and not to its daemon.
    fn on_machine(&self, words: &[&str]) -> Result<(), Stop> {
        let machine = |name: &str| Ok::<_, Stop>(&self.nodes[self.number(name)?].machine);
        match words {
            ["unplug", name] => Ok(self.lab.cable(machine(name)?).unplug()?),
            ["plug", name] => Ok(self.lab.cable(machine(name)?).plug()?),
            ["link", "down", name, link] => Ok(machine(name)?.link_down(link)?),
            ["link", "up", name, link] => Ok(machine(name)?.link_up(link)?),
            ["far", "down", name, link] => Ok(machine(name)?.link_down(&format!("{link}far"))?),
            ["far", "up", name, link] => Ok(machine(name)?.link_up(&format!("{link}far"))?),
            ["fail", name, check] => Ok(machine(name)?.write(format!("/run/bad-{check}"), "")?),
            ["mend", name, check] => erase(machine(name)?, &format!("/run/bad-{check}")),
            ["write", name, path, text @ ..] => Ok(machine(name)?.write(path, text.join(" ") + "\n")?),
            ["erase", name, path] => erase(machine(name)?, path),
            ["delete", name, address, link] => Ok(machine(name)?.del_address(link, address.parse()?)?),
            ["add", name, address, link] => Ok(machine(name)?.add_address(link, address.parse()?)?),
            other => Err(fail(format!("nobody knows how to {other:?}"))),
        }
    }

    fn running(&self, name: &str) -> Result<&Daemon, Stop> {
        let running = self.nodes[self.number(name)?].running.as_ref();
        running.ok_or_else(|| fail(format!("no daemon was started on {name}")))
    }

    fn begin_all(&mut self, names: &[&str]) -> Result<(), Stop> {
        for name in names {
            self.start(self.number(name)?)?;
        }
        for name in names {
            self.wait_for(self.number(name)?, 0, "Startup complete");
        }
        Ok(())
    }

    fn stop(&mut self, names: &[&str]) -> Result<(), Stop> {
        for name in names {
            self.running(name)?.term()?;
        }
        for name in names {
            let how = match self.running(name)?.wait(SOON)? {
                Ended::Code(code) => format!("code {code}"),
                Ended::Signal(signal) => format!("signal {signal}"),
            };
            self.ends.push(((*name).to_owned(), how));
        }
        Ok(())
    }

    fn power_off(&mut self, name: &str) -> Result<(), Stop> {
        let node = self.number(name)?;
        let daemon = self.running(name)?;
        daemon.freeze()?;
        self.lab.cable(&self.nodes[node].machine).unplug()?;
        daemon.kill_crash()?;
        self.ears[node].power_off()
    }

    /// A machine that lost power has nothing left of what it held.
    fn power_on(&mut self, name: &str) -> Result<(), Stop> {
        let node = self.number(name)?;
        let machine = self.nodes[node].machine.clone();
        for link in self.ears[node].links() {
            for address in machine.addresses(&link)? {
                // The kernel may have removed it together with the first of its network.
                if !self.ears[node].is_own(address, &link) && machine.holds(address.address)? {
                    machine.del_address(&link, address)?;
                }
            }
        }
        for file in ["keepalived.pid", "vrrp.pid"] {
            let file = format!("/run/{file}");
            if machine.within(|| std::path::Path::new(&file).exists())? {
                erase(&machine, &file)?;
            }
        }
        let watch = machine.watch_addresses()?;
        self.lab.cable(&machine).plug()?;
        if !machine.netlink().link("eth0")?.has_carrier() {
            let runs = |change: &Change| matches!(change, Change::Link { carrier: true, .. });
            watch.wait_for("the link runs", SOON, |event| runs(&event.change))?;
        }
        self.ears[node].power_on();
        self.begin_all(&[name])
    }

    /// The process below the first one.
    fn kill_worker(&self, name: &str) -> Result<(), Stop> {
        let daemon = self.running(name)?;
        let processes = daemon.processes();
        let first = processes.first().ok_or_else(|| fail("the daemon is gone"))?;
        let worker = processes.iter().find(|process| process.parent == first.pid);
        let worker = worker.ok_or_else(|| fail(format!("no worker among {processes:?}")))?;
        Ok(daemon.signal_process(worker.pid, Signal::KILL)?)
    }

    fn reload(&self, name: &str) -> Result<(), Stop> {
        let mark = self.running(name)?.lines().mark();
        self.running(name)?.signal(Signal::HUP)?;
        self.wait_for(self.number(name)?, mark, "Reload complete");
        Ok(())
    }

    fn change(&mut self, name: &str, change: &str) -> Result<(), Stop> {
        let (old, new) = change.split_once(" => ").ok_or_else(|| fail("a change has a ` => `"))?;
        let node = self.number(name)?;
        let conf = self.nodes[node].conf.replace(old, &new.replace("\\n", "\n"));
        self.rewrite(name, conf)
    }

    fn rewrite(&mut self, name: &str, conf: String) -> Result<(), Stop> {
        let node = self.number(name)?;
        if conf == self.nodes[node].conf {
            return Err(fail(format!("that changes nothing in the file of {name}")));
        }
        self.nodes[node].machine.write(CONF, &conf)?;
        self.nodes[node].conf = conf;
        self.reload(name)
    }
}

fn erase(machine: &lab::Machine, path: &str) -> Result<(), Stop> {
    machine.within(|| std::fs::remove_file(path))?.map_err(|why| fail(format!("remove {path}: {why}")))
}
