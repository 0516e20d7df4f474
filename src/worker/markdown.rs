//! What is made of a post's Markdown: HTML that is safe to show, its title, its length.
//!
//! The Markdown comes from a model that was told what to write by somebody else, so it is hostile
//! input: nothing in it may run, load or lead a crawler anywhere.

use std::collections::HashSet;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html::push_html};
use unicode_segmentation::UnicodeSegmentation;

use super::sentences::speakable;

/// The Markdown that is read: `CommonMark` with tables and strikethrough.
pub(super) const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

/// Renders Markdown as a fragment of HTML that a page may show as it is.
///
/// Scripts, styles, handlers, forms, frames and everything else that acts are removed. Links go to
/// `http`, `https` and `mailto` only, with `rel="nofollow noopener noreferrer"`. Images become their
/// text: loading one would tell its host who reads the post.
#[must_use]
pub fn html(markdown: &str) -> String {
    let is_image = |event: &Event<'_>| {
        matches!(event, Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image))
    };
    let mut raw = String::with_capacity(markdown.len() * 3 / 2);
    push_html(&mut raw, Parser::new_ext(markdown, OPTIONS).filter(|event| !is_image(event)));
    Builder::default()
        .rm_tags(["img"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"))
        .clean(&raw)
        .to_string()
}

/// The plain text of the first heading that has any.
#[must_use]
pub fn title(markdown: &str) -> Option<String> {
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(markdown, OPTIONS) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap_or_default();
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                if !text.is_empty() {
                    return Some(text);
                }
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut heading {
                    heading.push(' ');
                }
            }
            _ => {}
        }
    }
    None
}

/// How many words a reader of the post reads (UAX #29), markup and code blocks not counted.
#[must_use]
pub fn word_count(markdown: &str) -> usize {
    speakable(markdown).unicode_words().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        let markdown =
            "# Hi\n\nSome *text*, ~~not~~ `code`.\n\n- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n";
        let html = html(markdown);
        for part in [
            "<h1>Hi</h1>",
            "<em>text</em>",
            "<del>not</del>",
            "<code>code</code>",
            "<li>a</li>",
            "<td>2</td>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }

    #[test]
    fn nothing_that_runs_or_loads_gets_through() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![seen](https://example.org/pixel.png)",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt&colon;alert(1))",
            "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
            "<iframe src=\"https://example.org\"></iframe>",
            "<svg onload=alert(1)>",
            "<style>*{background:url(https://example.org)}</style>",
            "<p onclick=\"alert(1)\" style=\"position:fixed\">x</p>",
            "<form action=https://example.org><input></form>",
            "<math><a xlink:href=\"data:x,<script>alert(4)</script>\">x</a></math>",
        ];
        for attack in attacks {
            let html = html(attack).to_lowercase();
            for part in [
                "<script",
                "javascript:",
                "onerror",
                "onload",
                "onclick",
                "<img",
                "<iframe",
                "<style",
                "style=",
                "data:",
                "<form",
            ] {
                assert!(!html.contains(part), "{part} in {html}");
            }
        }
        assert_eq!(html("![a cat](https://example.org/cat.png)"), "<p>a cat</p>\n");
    }

    #[test]
    fn links_lead_nobody_but_the_reader() {
        let link = html("[x](https://example.org/a?b=c&d)");
        assert!(link.contains("href=\"https://example.org/a?b=c&amp;d\""), "{link}");
        assert!(link.contains("rel=\"nofollow noopener noreferrer\""), "{link}");
        assert!(!html("[x](/api/jobs)").contains("href"));
    }

    #[test]
    fn the_title_is_the_first_heading_with_text() {
        assert_eq!(
            title("intro\n\n#\n\n## The *bold* `one` &amp;\n\n# Two"),
            Some("The bold one &".to_owned())
        );
        assert_eq!(title("Set\n   text\n==="), Some("Set text".to_owned()));
        assert_eq!(title("```\n# code\n```\n\nno heading"), None);
        assert_eq!(title(""), None);
    }

    #[test]
    fn words_are_those_that_are_read() {
        assert_eq!(
            word_count(
                "# One two\n\nIt's *three* [four](https://example.org/x)\n\n```\nnot these\n```\n"
            ),
            5
        );
        assert_eq!(word_count(""), 0);
    }
}
