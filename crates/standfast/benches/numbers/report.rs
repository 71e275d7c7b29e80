//! The results: a table for the terminal and for people, JSON for programs, plots.

use crate::figures::{Figures, Goal, MEASURES, Measure, Party, quantile};
use crate::{Failure, Wish};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Everything that was measured.
pub(crate) struct Report {
    values: BTreeMap<(&'static str, Party), Vec<f64>>,
    samples: BTreeMap<(&'static str, Party), Vec<f64>>,
    /// Runs that are not to be quoted, and why.
    trouble: Vec<String>,
    /// How many runs of each trial are to be quoted.
    quoted: BTreeMap<(&'static str, Party), usize>,
    /// Who took part, quotable or not.
    tried: BTreeSet<(&'static str, Party)>,
    /// What could not be carried out, in words.
    failures: Vec<String>,
    out: Option<PathBuf>,
    runs: usize,
    window: u64,
    /// Not everything that belongs to it was measured.
    pub(crate) is_partial: bool,
}

const PARTIES: [Party; 3] = [Party::Standfast, Party::Keepalived, Party::Floor];

impl Report {
    pub(crate) fn new(wish: &Wish) -> Self {
        Self {
            values: BTreeMap::new(),
            samples: BTreeMap::new(),
            trouble: Vec::new(),
            quoted: BTreeMap::new(),
            tried: BTreeSet::new(),
            failures: Vec::new(),
            out: wish.out.clone(),
            runs: wish.runs,
            window: wish.window.as_secs(),
            is_partial: !wish.only.is_empty() || wish.anyway || wish.runs < 3 || wish.window.as_secs() < 20,
        }
    }

    /// Takes what one run gave. With `trouble` the run is not to be quoted: it is named and left out.
    pub(crate) fn take(
        &mut self,
        trial: &'static str,
        party: Party,
        figures: Figures,
        trouble: Option<String>,
    ) {
        self.tried.insert((trial, party));
        if let Some(what) = trouble {
            self.trouble.push(format!("a run of {trial} with {party}: {what}"));
            return;
        }
        *self.quoted.entry((trial, party)).or_default() += 1;
        self.failures.extend(figures.failure.map(|why| format!("{trial} of {party}: {why}")));
        for (measure, value) in figures.values {
            self.values.entry((measure.id, party)).or_default().push(value);
        }
        for (measure, samples) in figures.samples {
            self.samples.entry((measure.id, party)).or_default().extend(samples);
        }
    }

    fn median(&self, measure: &Measure, party: Party) -> Option<f64> {
        let mut all = self.values.get(&(measure.id, party))?.clone();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    }

    /// Least, median, most.
    fn spread(&self, measure: &Measure, party: Party) -> Option<[f64; 3]> {
        let mut all = self.values.get(&(measure.id, party))?.clone();
        all.sort_by(f64::total_cmp);
        Some([*all.first()?, all[all.len() / 2], *all.last()?])
    }

    /// Whether a goal is reached; `None` if what it needs was not measured.
    fn reached(&self, measure: &Measure, goal: Goal) -> Option<bool> {
        let own = self.median(measure, Party::Standfast)?;
        Some(match goal {
            Goal::Most(most) => own <= most,
            Goal::Least(least) => own >= least,
            Goal::OfFloor(times) => own <= times * self.median(measure, Party::Floor)?,
            Goal::OfPeer(times) => own <= times * self.median(measure, Party::Keepalived)?,
        })
    }

    fn goals(&self, measure: &Measure) -> String {
        let one = |goal: &Goal| {
            let text = match goal {
                Goal::Most(most) => format!("≤ {most} {}", measure.unit.word()),
                Goal::Least(least) => format!("≥ {least} {}", measure.unit.word()),
                Goal::OfFloor(times) => format!("≤ {times} × floor"),
                Goal::OfPeer(times) => format!("≤ {times} × keepalived"),
            };
            let mark = match self.reached(measure, *goal) {
                Some(true) => "reached",
                Some(false) => "**missed**",
                None => "not measured",
            };
            format!("{text}: {mark}")
        };
        measure.goals.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// As Markdown, which a terminal shows well enough.
    pub(crate) fn table(&self) -> String {
        let mut text =
            String::from("| work | Standfast | keepalived | floor | goal |\n|---|---|---|---|---|\n");
        for measure in MEASURES {
            let cell = |party| {
                self.spread(measure, party).map_or(String::new(), |[least, median, most]| {
                    let unit = measure.unit.word();
                    format!("{} {unit} ({} … {})", number(median), number(least), number(most))
                })
            };
            let cells = PARTIES.map(cell);
            if cells.iter().any(|cell| !cell.is_empty()) {
                let _ =
                    writeln!(text, "| {} | {} | {} |", measure.what, cells.join(" | "), self.goals(measure));
            }
        }
        text
    }

    /// Writes everything, unless most runs of something are not to be quoted.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        for trouble in &self.trouble {
            println!("left out: {trouble}");
        }
        let Some(out) = &self.out else { return Ok(()) };
        let quoted = |one: &&(&'static str, Party)| self.quoted.get(one).copied().unwrap_or(0);
        let lacking: Vec<_> = self.tried.iter().filter(|one| quoted(one) * 2 <= self.runs).collect();
        if self.is_partial || !lacking.is_empty() {
            println!("\nNothing is written to {}:", out.display());
            if self.is_partial {
                println!("  not everything was measured");
            }
            for (trial, party) in lacking {
                println!("  most runs of {trial} with {party} are not to be quoted");
            }
            return Err("this run is not to be quoted".into());
        }
        std::fs::create_dir_all(out)?;
        let machine = Machine::look();
        std::fs::write(out.join("README.md"), self.page(&machine))?;
        std::fs::write(out.join("numbers.json"), self.json(&machine)?)?;
        std::fs::write(out.join("ratios.svg"), self.ratios())?;
        for measure in MEASURES {
            if let Some(picture) = self.distribution(measure) {
                std::fs::write(out.join(format!("{}.svg", measure.id)), picture)?;
            }
        }
        println!("\nwritten to {}", out.display());
        Ok(())
    }

    fn page(&self, machine: &Machine) -> String {
        let mut text = String::from(
            "<!-- Made by `cargo xtask bench` on an otherwise idle machine. -->\n\n# The numbers\n\n\
             Standfast beside Debian's keepalived and beside the floor, in one run. The floor is what the kernel alone \
             costs: a loop of timerfd, `sendmmsg` and `recvmmsg` over prebuilt frames in slots of 1 ms, or bare netlink. \
             Told is the median, with the least and the most of the runs in parentheses. Ratios travel; absolute \
             times are this machine's.\n\nWhat to know before believing them: both daemons run with their defaults; ours \
             then has three threads in real time, keepalived none. Standfast sends and reads many adverts with one \
             wake-up (64 in a group; up to 8 ms when they crowd), the floor sends ten and reads as they come: so it can be below \
             the floor. Virtual routers have taken over from a machine whose adverts were spread over the interval. CPU is that of \
             the daemon's own threads; over these virtual cables the kernel's part of receiving is done by whoever sends. \
             The program was built with the profile `release`, as it is installed.\n\n",
        );
        let _ = writeln!(
            text,
            "{} runs, steady states watched for {} s. {}\n",
            self.runs,
            self.window,
            machine.sentence()
        );
        text += &self.table();
        for failure in &self.failures {
            let _ = writeln!(text, "\nfailed: {failure}");
        }
        for trouble in &self.trouble {
            let _ = writeln!(text, "\nleft out: {trouble}");
        }
        text += "\n![How much each figure is of keepalived's](ratios.svg)\n";
        for measure in MEASURES {
            if self.distribution(measure).is_some() {
                let _ = writeln!(text, "\n![{}: distribution]({}.svg)", measure.what, measure.id);
            }
        }
        text
    }

    fn json(&self, machine: &Machine) -> Result<String, Failure> {
        let figures: Vec<_> = MEASURES
            .iter()
            .map(|measure| {
                let of = |party| self.values.get(&(measure.id, party));
                serde_json::json!({
                    "id": measure.id,
                    "what": measure.what,
                    "unit": measure.unit.word(),
                    "standfast": of(Party::Standfast),
                    "keepalived": of(Party::Keepalived),
                    "floor": of(Party::Floor),
                    "reached": measure.goals.iter().map(|goal| self.reached(measure, *goal)).collect::<Vec<_>>(),
                })
            })
            .collect();
        let all = serde_json::json!({
            "runs": self.runs,
            "window_seconds": self.window,
            "left_out": self.trouble,
            "machine": {
                "processor": machine.processor,
                "processors": machine.processors,
                "kernel": machine.kernel,
                "standfast": machine.standfast,
                "keepalived": machine.keepalived,
            },
            "figures": figures,
        });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }

    /// Each figure as a share of keepalived's.
    fn ratios(&self) -> String {
        // More of what is better, less of what is not; nothing at all on both sides is as much.
        let rows: Vec<(&str, f64)> = MEASURES
            .iter()
            .filter_map(|measure| {
                let own = self.median(measure, Party::Standfast)?;
                let peer = self.median(measure, Party::Keepalived)?;
                let (part, whole) = if measure.more_is_better() { (peer, own) } else { (own, peer) };
                let ratio = if part == whole { 1.0 } else { part / whole };
                (measure.unit != crate::figures::Unit::Thousands).then_some((measure.what, ratio))
            })
            .collect();
        let height = 70 + rows.len() * 34;
        let mut svg = picture(
            height,
            "each figure as a share of keepalived's, shares turned round where more is better (line: as much)",
        );
        // One decade is 170 pixels: from a thousandth to ten times.
        let x = |ratio: f64| 60.0 + (ratio.clamp(0.001, 10.0).log10() + 3.0) * 170.0;
        for (row, (what, ratio)) in rows.iter().enumerate() {
            let y = 60 + row * 34;
            let class = if *ratio <= 1.0 { "g" } else { "r" };
            let (from, to) = (x(ratio.min(1.0)), x(ratio.max(1.0)));
            let _ = writeln!(svg, r#"<text x="60" y="{y}">{what}</text>"#);
            let _ = writeln!(
                svg,
                r#"<rect class="{class}" x="{from:.1}" y="{}" width="{:.1}" height="10" rx="2"/><text x="760" y="{}">× {ratio:.3}</text>"#,
                y + 5,
                (to - from).max(1.0),
                y + 14
            );
        }
        let _ = writeln!(svg, r#"<line x1="{0:.1}" x2="{0:.1}" y1="44" y2="{1}"/>"#, x(1.0), height - 10);
        svg + "</svg>\n"
    }

    /// What share of the observations is above which value, both axes in decades: the tail is what matters.
    fn distribution(&self, measure: &Measure) -> Option<String> {
        let mut lines = Vec::new();
        for (party, class) in [(Party::Standfast, "so"), (Party::Keepalived, "ka")] {
            if let Some(samples) = self.samples.get(&(measure.id, party)) {
                let mut samples = samples.clone();
                samples.sort_by(f64::total_cmp);
                lines.push((party, class, samples));
            }
        }
        if lines.is_empty() {
            return None;
        }
        let most = lines.iter().filter_map(|line| line.2.last()).fold(1.0_f64, |a, b| a.max(*b));
        let least = lines.iter().filter_map(|line| line.2.first()).fold(most, |a, b| a.min(*b)).max(0.1);
        let x = |value: f64| {
            70.0 + (value.max(least).ln() - least.ln()) / (most.ln() - least.ln()).max(0.01) * 700.0
        };
        let y = |share: f64| 60.0 + -share.max(1e-5).log10() / 5.0 * 240.0;
        let mut svg = picture(360, measure.what);
        for (decade, name) in ["100 %", "10 %", "1 %", "0.1 %", "0.01 %", "0.001 %"].iter().enumerate() {
            let at = 60.0 + 48.0 * decade as f64;
            let _ = writeln!(
                svg,
                r#"<line class="d" x1="70" x2="770" y1="{at}" y2="{at}"/><text x="10" y="{:.0}">{name}</text>"#,
                at + 4.0
            );
        }
        for (row, (party, class, samples)) in lines.iter().enumerate() {
            let mut points = String::new();
            // Enough points for the eye, and all of the tail.
            for step in 0..=200 {
                let share = 10_f64.powf(-5.0 * f64::from(step) / 200.0);
                let _ = write!(points, "{:.1},{:.1} ", x(quantile(samples, 1.0 - share)), y(share));
            }
            let _ = writeln!(svg, r#"<polyline class="{class}" points="{points}"/>"#);
            let _ = writeln!(
                svg,
                r#"<text class="{class}" x="560" y="{}">{party}: median {:.2} ms, longest {:.2} ms</text>"#,
                84 + row * 20,
                quantile(samples, 0.5),
                samples.last().copied().unwrap_or(f64::NAN)
            );
        }
        let _ = writeln!(
            svg,
            r#"<text x="70" y="330">{least:.1} ms</text><text x="700" y="330">{most:.1} ms</text><text x="250" y="350">share of the gaps that are longer</text>"#
        );
        Some(svg + "</svg>\n")
    }
}

/// The beginning of a plot, 860 wide.
fn picture(height: usize, title: &str) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" width="860" height="{height}" role="img" aria-label="{title}">
<style>text {{ font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #334 }} .t {{ font-weight: 700; font-size: 15px }} .g {{ fill: #3c9d4b }} .r {{ fill: #c9463d }} line {{ stroke: #556; stroke-width: 1 }} .d {{ stroke: #dde }} polyline {{ fill: none; stroke-width: 2 }} polyline.so {{ stroke: #3c9d4b }} polyline.ka {{ stroke: #c9463d }} text.so {{ fill: #3c9d4b }} text.ka {{ fill: #c9463d }}</style>
<rect width="860" height="{height}" fill="#ffffff"/>
<text class="t" x="20" y="28">{title}</text>
"##
    )
}

/// With as many digits as say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Where it was measured.
struct Machine {
    processor: String,
    processors: usize,
    kernel: String,
    standfast: String,
    keepalived: String,
}

impl Machine {
    fn look() -> Self {
        let first_line = |program: &str, argument: &str| {
            let said = std::process::Command::new(program).arg(argument).output();
            let said = said.map(|out| [out.stdout, out.stderr].concat()).unwrap_or_default();
            String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned()
        };
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let uname = rustix::system::uname();
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            standfast: first_line(env!("CARGO_BIN_EXE_standfast"), "--version"),
            keepalived: first_line(
                if Path::new(crate::load::KEEPALIVED).exists() { crate::load::KEEPALIVED } else { "true" },
                "--version",
            ),
        }
    }

    fn sentence(&self) -> String {
        format!(
            "{} × {}, {}. {}, {}.",
            self.processors, self.processor, self.kernel, self.standfast, self.keepalived
        )
    }
}
