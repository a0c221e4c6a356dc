//! The frame of the page: escaping, headings, tables, figures. What stands in it is decided in `sections`.

use std::fmt::Write as _;

use super::charts::Figure;

const STYLE: &str = include_str!("style.css");

/// Text as HTML text or attribute value. Stream names and protocol texts come from outside and may hold anything.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A column of a table: its heading and whether it holds numbers.
pub type Column<'a> = (&'a str, bool);

/// A picture of a gallery.
pub struct Picture {
    /// Its name, which also stands where it cannot be seen.
    pub name: String,
    /// Its bytes as a `data:` URL.
    pub source: String,
    /// What is said about it.
    pub lines: Vec<String>,
}

/// The page while it grows. Every text that comes in is escaped here.
pub struct Page {
    html: String,
}

impl Page {
    /// Begins with everything that a browser needs; nothing is fetched.
    pub fn new(title: &str) -> Self {
        Self::begin(title, "")
    }

    /// The same, for a page whose pictures stand in it.
    pub fn with_pictures(title: &str) -> Self {
        Self::begin(title, "; img-src data:")
    }

    fn begin(title: &str, more_policy: &str) -> Self {
        let title = escape(title);
        Self {
            html: format!(
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
                 <meta name=\"color-scheme\" content=\"light dark\">\n\
                 <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'{more_policy}\">\n\
                 <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
            ),
        }
    }

    /// Ends the page.
    pub fn finish(mut self) -> String {
        self.html.push_str("</main>\n</body>\n</html>\n");
        self.html
    }

    /// The page's title with what stands under it.
    pub fn title(&mut self, kicker: &str, title: &str, description: &str) {
        let (kicker, title, description) = (escape(kicker), escape(title), escape(description));
        let _ = write!(
            self.html,
            "<header>\n<p class=\"kicker\">{kicker}</p>\n<h1>{title}</h1>\n<p class=\"lead\">{description}</p>\n</header>\n"
        );
    }

    /// A line that says at once whether all went well.
    pub fn verdict(&mut self, is_good: bool, text: &str) {
        let class = if is_good { "good" } else { "bad" };
        let _ = writeln!(self.html, "<p class=\"verdict {class}\">{}</p>", escape(text));
    }

    /// Large numbers: value, unit, meaning.
    pub fn tiles(&mut self, tiles: &[(String, &str, String)]) {
        self.html.push_str("<ul class=\"tiles\">\n");
        for (value, unit, meaning) in tiles {
            let (value, unit, meaning) = (escape(value), escape(unit), escape(meaning));
            let _ =
                writeln!(self.html, "<li><b>{value}<small> {unit}</small></b><span>{meaning}</span></li>");
        }
        self.html.push_str("</ul>\n");
    }

    /// A section's heading.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.html, "<h2>{}</h2>", escape(text));
    }

    /// A heading inside a section.
    pub fn subheading(&mut self, text: &str) {
        let _ = writeln!(self.html, "<h3>{}</h3>", escape(text));
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p>{}</p>", escape(text));
    }

    /// The line that says how numbers were obtained.
    pub fn how(&mut self, text: &str) {
        let _ = writeln!(self.html, "<p class=\"how\"><b>How obtained</b> {}</p>", escape(text));
    }

    /// A figure with its keys and words.
    pub fn figure(&mut self, figure: &Figure) {
        self.html.push_str("<figure>\n<p class=\"keys\">");
        for (class, meaning) in &figure.keys {
            let mark = if class.starts_with("band") || class.starts_with("bar") {
                format!("<rect class=\"{class}\" x=\"1\" y=\"2\" width=\"22\" height=\"8\"/>")
            } else {
                format!("<path class=\"line {class}\" d=\"M1 6H23\"/>")
            };
            let meaning = escape(meaning);
            let _ = write!(
                self.html,
                "<span><svg viewBox=\"0 0 24 12\" aria-hidden=\"true\">{mark}</svg>{meaning}</span>"
            );
        }
        let caption = escape(&figure.caption);
        let _ = writeln!(self.html, "</p>\n{}\n<figcaption>{caption}</figcaption>\n</figure>", figure.svg);
        self.how(&figure.how);
    }

    /// Pictures side by side, each with its lines beneath; every source is a `data:` URL.
    pub fn gallery(&mut self, pictures: &[Picture]) {
        self.html.push_str("<div class=\"gallery\">\n");
        for picture in pictures {
            let (name, source) = (escape(&picture.name), escape(&picture.source));
            let _ =
                write!(self.html, "<figure><img alt=\"{name}\" src=\"{source}\"><figcaption><b>{name}</b>");
            for line in &picture.lines {
                let _ = write!(self.html, "<span>{}</span>", escape(line));
            }
            self.html.push_str("</figcaption></figure>\n");
        }
        self.html.push_str("</div>\n");
    }

    /// A table; all rows have as many cells as there are columns.
    pub fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) {
        let class = |is_number: bool| if is_number { " class=\"number\"" } else { "" };
        self.html.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for (name, is_number) in columns {
            let _ = write!(self.html, "<th scope=\"col\"{}>{}</th>", class(*is_number), escape(name));
        }
        self.html.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            self.html.push_str("<tr>");
            for (cell, (_, is_number)) in row.iter().zip(columns) {
                let _ = write!(self.html, "<td{}>{}</td>", class(*is_number), escape(cell));
            }
            self.html.push_str("</tr>\n");
        }
        self.html.push_str("</tbody>\n</table></div>\n");
    }

    /// Names with their values.
    pub fn list(&mut self, entries: &[(&str, String)]) {
        self.html.push_str("<dl>\n");
        for (name, value) in entries {
            let _ = writeln!(self.html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
        }
        self.html.push_str("</dl>\n");
    }

    /// A square table of counts, shaded by the part of its row.
    pub fn matrix(&mut self, corner: &str, columns: &[String], rows: &[(String, Vec<u64>)]) {
        let _ = write!(
            self.html,
            "<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th>{}</th>",
            escape(corner)
        );
        for name in columns {
            let _ = write!(self.html, "<th scope=\"col\" class=\"number\">{}</th>", escape(name));
        }
        self.html.push_str("</tr></thead>\n<tbody>\n");
        for (place, (name, counts)) in rows.iter().enumerate() {
            let total: u64 = counts.iter().sum();
            let _ = write!(self.html, "<tr><th scope=\"row\">{}</th>", escape(name));
            for (column, &count) in counts.iter().enumerate() {
                let part = 100 * count / total.max(1);
                let class = if column == place { "number right" } else { "number wrong" };
                let _ = write!(self.html, "<td class=\"{class}\" style=\"--part:{part}%\">{count}</td>");
            }
            self.html.push_str("</tr>\n");
        }
        self.html.push_str("</tbody>\n</table></div>\n");
    }

    /// A text that opens when asked for.
    pub fn folded(&mut self, name: &str, text: &str) {
        let (name, text) = (escape(name), escape(text));
        let _ = writeln!(self.html, "<details><summary>{name}</summary><pre>{text}</pre></details>");
    }
}
