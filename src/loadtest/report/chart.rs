//! A chart as inline SVG: lines over an axis, with titles, units and a legend, in colours that the
//! page's style gives for light and dark.

use std::fmt::Write;

/// The size of a chart, in units of its own; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;

/// What is left beside the plot for labels.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;

/// A chart that can be drawn.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) x: Axis<'a>,
    pub(super) y: Axis<'a>,
    /// Each with its name.
    pub(super) lines: Vec<(&'a str, Vec<(f64, f64)>)>,
}

/// One of the two directions.
pub(super) struct Axis<'a> {
    /// What it is, with its unit.
    pub(super) label: &'a str,
    pub(super) scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// Each step ten times the one before; values of zero stand at the edge.
    Logarithmic,
    /// From 0 to 1, labelled in hundredths.
    Share,
}

/// An axis with its ends.
struct Range {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Range {
    fn over(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let high = values.clone().fold(0.0, f64::max);
        match scale {
            Scale::Share => Self { scale, low: 0.0, high: 1.0 },
            Scale::Linear => {
                Self { scale, low: 0.0, high: if high > 0.0 { high * 1.05 } else { 1.0 } }
            }
            Scale::Logarithmic => {
                let positive = values.filter(|value| *value > 0.0);
                let low = positive.fold(f64::INFINITY, f64::min).min(high.max(0.001));
                let low = 10_f64.powf(low.log10().floor());
                let high = 10_f64.powf(high.max(low * 10.0).log10().ceil());
                Self { scale, low, high }
            }
        }
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear | Scale::Share => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => {
                (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
            }
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that are named on the axis.
    fn ticks(&self) -> Vec<f64> {
        if self.scale == Scale::Logarithmic {
            let decades = (self.high / self.low).log10().round();
            let within: &[f64] = if decades <= 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let mut ticks = Vec::new();
            let mut decade = self.low;
            while decade <= self.high * 1.001 {
                ticks.extend(within.iter().map(|step| step * decade));
                decade *= 10.0;
            }
            ticks.retain(|tick| *tick <= self.high * 1.001);
            return ticks;
        }
        let rough = (self.high - self.low) / 6.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|step| step * decade);
        let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(decade * 10.0);
        let mut ticks = Vec::new();
        let mut tick = self.low;
        while tick <= self.high * 1.001 {
            ticks.push(tick);
            tick += step;
        }
        ticks
    }

    fn name(&self, tick: f64) -> String {
        if self.scale == Scale::Share {
            return format!("{:.0} %", tick * 100.0);
        }
        match tick {
            _ if tick == 0.0 => "0".to_owned(),
            1e6.. => format!("{} M", short(tick / 1e6)),
            1e3.. => format!("{} k", short(tick / 1e3)),
            _ => short(tick),
        }
    }
}

/// A number without zeros that say nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Chart<'_> {
    /// The chart; empty when there is nothing to draw.
    pub(super) fn to_svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|(_, points)| points.iter());
        if points().count() < 2 {
            return String::new();
        }
        let x = Range::over(self.x.scale, points().map(|point| point.0));
        let y = Range::over(self.y.scale, points().map(|point| point.1));
        let mut svg = String::new();
        let title = super::html::escaped(self.title);
        part(
            &mut svg,
            &format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">"#),
        );
        part(&mut svg, &format!(r#"<text class="title" x="{LEFT}" y="16">{title}</text>"#));
        self.grid(&mut svg, &x, &y);
        for (nth, (name, points)) in self.lines.iter().enumerate() {
            line(&mut svg, nth, points, &x, &y);
            let at = WIDTH - RIGHT - 90.0 * count(self.lines.len() - nth);
            if self.lines.len() > 1 {
                part(
                    &mut svg,
                    &format!(
                        r#"<line class="line{nth}" x1="{at}" y1="12" x2="{}" y2="12"/><text x="{}" y="16">{}</text>"#,
                        at + 20.0,
                        at + 26.0,
                        super::html::escaped(name)
                    ),
                );
            }
        }
        svg + "</svg>\n"
    }

    fn grid(&self, svg: &mut String, x: &Range, y: &Range) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in y.ticks() {
            let at = height(y.place(tick));
            part(
                svg,
                &format!(
                    r#"<line class="grid" x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}"/>"#
                ),
            );
            part(
                svg,
                &format!(
                    r#"<text class="tick" text-anchor="end" x="{}" y="{:.1}">{}</text>"#,
                    LEFT - 6.0,
                    at + 4.0,
                    y.name(tick)
                ),
            );
        }
        for tick in x.ticks() {
            let at = width(x.place(tick));
            part(
                svg,
                &format!(
                    r#"<line class="grid" x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}"/>"#
                ),
            );
            part(
                svg,
                &format!(
                    r#"<text class="tick" text-anchor="middle" x="{at:.1}" y="{}">{}</text>"#,
                    bottom + 16.0,
                    x.name(tick)
                ),
            );
        }
        let middle = f64::midpoint(LEFT, right);
        let x_label = super::html::escaped(self.x.label);
        part(
            svg,
            &format!(
                r#"<text class="label" text-anchor="middle" x="{middle}" y="{}">{x_label}</text>"#,
                HEIGHT - 8.0
            ),
        );
        let (at, y_label) = (f64::midpoint(TOP, bottom), super::html::escaped(self.y.label));
        part(
            svg,
            &format!(
                r#"<text class="label" text-anchor="middle" transform="translate(14 {at}) rotate(-90)">{y_label}</text>"#
            ),
        );
    }
}

fn line(svg: &mut String, nth: usize, points: &[(f64, f64)], x: &Range, y: &Range) {
    let mut path = String::new();
    for (at, value) in points {
        let command = if path.is_empty() { 'M' } else { 'L' };
        part(
            &mut path,
            &format!("{command}{:.1} {:.1}", width(x.place(*at)), height(y.place(*value))),
        );
    }
    part(svg, &format!(r#"<path class="line{nth}" d="{path}"/>"#));
}

fn part(text: &mut String, part: &str) {
    write!(text, "{part}").expect("a string grows");
}

fn width(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn height(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

#[expect(clippy::cast_precision_loss, reason = "a handful of lines")]
fn count(lines: usize) -> f64 {
    lines as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(scale: Scale, values: &[f64]) -> Range {
        Range::over(scale, values.iter().copied())
    }

    #[test]
    fn an_axis_is_named_at_round_numbers() {
        let linear = range(Scale::Linear, &[0.0, 93.0]);
        assert_eq!(linear.ticks(), [0.0, 20.0, 40.0, 60.0, 80.0]);
        assert_eq!(range(Scale::Linear, &[110_000.0]).name(100_000.0), "100 k");
        let logarithmic = range(Scale::Logarithmic, &[0.3, 4_000.0]);
        assert_eq!(logarithmic.ticks().len(), 6);
        assert_eq!(logarithmic.name(0.1), "0.1");
        assert_eq!(range(Scale::Share, &[]).name(0.5), "50 %");
    }

    #[test]
    fn an_axis_holds_what_is_drawn_on_it() {
        for (scale, values) in [
            (Scale::Linear, vec![0.0, 5.0, 17.0]),
            (Scale::Linear, vec![0.0]),
            (Scale::Logarithmic, vec![0.0, 0.02, 900.0]),
            (Scale::Logarithmic, vec![5.0]),
        ] {
            let range = range(scale, &values);
            for value in values {
                assert!((0.0..=1.0).contains(&range.place(value)), "{value} of {scale:?}");
            }
            assert!(!range.ticks().is_empty() && range.ticks().len() < 20, "{scale:?}");
        }
    }

    #[test]
    fn a_chart_without_points_is_nothing() {
        let axis = || Axis { label: "x", scale: Scale::Linear };
        let chart =
            Chart { title: "t", x: axis(), y: axis(), lines: vec![("a", vec![(0.0, 1.0)])] };
        assert_eq!(chart.to_svg(), "");
    }
}
