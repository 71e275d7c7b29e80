//! The final screen as a picture, for a page on which nobody can run it.
//!
//! Bars are drawn as rectangles, and each piece of text is stretched to its columns, so that the picture is the
//! same with every fixed-width font.

use std::fmt::Write as _;

use super::ink::{Ink, Line};
use super::words::WIDTH;

/// The width of a column, in pixels.
const COLUMN: f64 = 10.6;
/// The height of a row.
const ROW: f64 = 22.0;
/// The size of the letters: fixed-width letters are 0.602 times as wide as their size in most fonts.
const FONT: f64 = 17.6;
/// Space around the text.
const MARGIN: f64 = 26.0;
/// Height of the window's title bar.
const BAR: f64 = 38.0;

/// A terminal window that shows `lines` under a prompt with `command`.
pub(crate) fn picture(command: &str, lines: &[Line]) -> String {
    let columns = u32::try_from(WIDTH).unwrap_or(80);
    let rows = u32::try_from(lines.len() + 2).unwrap_or(u32::MAX);
    let width = f64::from(columns) * COLUMN + 2.0 * MARGIN;
    let height = BAR + f64::from(rows) * ROW + 1.5 * MARGIN;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img" aria-label="Output of {command}">
<style>text {{ font: {FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; white-space: pre; fill: #d7dee7 }} .b {{ font-weight: 700; fill: #ffffff }} .p {{ fill: #d7dee7 }} .d {{ fill: #8d99a8 }} .g {{ fill: #57c765 }} .r {{ fill: #ff6b60 }} .o {{ fill: #4fb3ff }} .t {{ fill: #f0a24b }} .y {{ fill: #e6d35c }} .v {{ fill: #b48cff }}</style>
<rect x="0.5" y="0.5" width="{:.0}" height="{:.0}" rx="11" fill="#11161d" stroke="#3b4552"/>
<circle cx="24" cy="20" r="6" fill="#ff6b60"/><circle cx="44" cy="20" r="6" fill="#f0c24b"/><circle cx="64" cy="20" r="6" fill="#57c765"/>
"##,
        width - 1.0,
        height - 1.0,
    );
    let prompt = Line::default().add(Ink::Good, "$ ").add(Ink::Bold, command);
    for (number, line) in [prompt, Line::default()].iter().chain(lines).enumerate() {
        let top = BAR + MARGIN / 2.0 + f64::from(u32::try_from(number).unwrap_or(0)) * ROW;
        row(&mut svg, line, top);
    }
    svg.push_str("</svg>\n");
    svg
}

/// One line; `top` is where its row begins.
fn row(svg: &mut String, line: &Line, top: f64) {
    let mut column = 0;
    for (ink, text) in line.pieces() {
        for part in parts(text) {
            let count = part.chars().count();
            let (x, width) = (MARGIN + pixels(column), pixels(count));
            match part.chars().next() {
                Some('█') => {
                    let y = top + 2.0;
                    let _ = writeln!(
                        svg,
                        r#"<rect class="{}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{:.1}" rx="2"/>"#,
                        class(*ink),
                        ROW - 4.0
                    );
                }
                Some('░') => {
                    let y = top + ROW / 2.0 - 1.5;
                    let _ = writeln!(
                        svg,
                        r#"<rect class="{}" x="{:.1}" y="{y:.1}" width="{:.1}" height="3" rx="1.5" opacity=".8"/>"#,
                        class(*ink),
                        x + 2.0,
                        width - 4.0
                    );
                }
                _ => words(svg, part, *ink, column, top),
            }
            column += count;
        }
    }
}

/// Text without bars; spaces at its ends are left out.
fn words(svg: &mut String, text: &str, ink: Ink, column: usize, top: f64) {
    let trimmed = text.trim_matches(' ');
    if trimmed.is_empty() {
        return;
    }
    let lead = text.chars().take_while(|c| *c == ' ').count();
    let (x, y) = (MARGIN + pixels(column + lead), top + ROW * 0.72);
    let length = pixels(trimmed.chars().count());
    let class = class(ink);
    let _ = writeln!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}" textLength="{length:.1}" lengthAdjust="spacingAndGlyphs">{}</text>"#,
        escape(trimmed)
    );
}

/// Cuts text where bars begin and end.
fn parts(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        '█' | '░' => Some(c),
        _ => None,
    };
    let mut found = Vec::new();
    let mut begin = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|last| last != kind(c)) {
            found.push(&text[begin..at]);
            begin = at;
        }
        last = Some(kind(c));
    }
    found.push(&text[begin..]);
    found
}

fn pixels(columns: usize) -> f64 {
    f64::from(u32::try_from(columns).unwrap_or(0)) * COLUMN
}

const fn class(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "p",
        Ink::Bold => "b",
        Ink::Dim => "d",
        Ink::Good => "g",
        Ink::Bad | Ink::Silent => "r",
        Ink::Node(number) => match number % 4 {
            0 => "o",
            1 => "t",
            2 => "y",
            _ => "v",
        },
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_become_rectangles_and_text_is_escaped() {
        assert_eq!(parts("a██·░"), ["a", "██", "·", "░"]);
        assert_eq!(parts(""), [""]);
        let svg = picture("standfast demo", &[Line::plain("1 < 2 & 3 ").add(Ink::Node(0), "██")]);
        assert!(svg.contains("1\u{a0}&lt;\u{a0}2\u{a0}&amp;\u{a0}3<"), "{svg}");
        assert_eq!(svg.matches(r#"<rect class="o""#).count(), 1);
        assert!(svg.ends_with("</svg>\n"));
    }
}
