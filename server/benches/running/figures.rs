//! What was measured: a table that is printed as it comes, and JSON at the end.

use super::argument;

/// What was measured, printed as it comes.
#[derive(Default)]
pub struct Figures {
    titles: Vec<(String, Vec<(String, f64)>)>,
}

impl Figures {
    pub fn title(&mut self, title: &str) {
        println!("\n{title}\n\n| what | figure |\n| --- | --- |");
        self.titles.push((title.to_owned(), Vec::new()));
    }

    pub fn add(&mut self, what: &str, figure: f64) {
        println!("| {what} | {figure:.2} |");
        let (_, figures) = self.titles.last_mut().unwrap();
        figures.push((what.to_owned(), figure));
    }

    /// Writes all of it to the file that `--json` names, if it does.
    pub fn save(&self) {
        if let Some(file) = argument("--json") {
            std::fs::write(file, self.json()).unwrap();
        }
    }

    fn json(&self) -> String {
        let titles: serde_json::Map<_, _> = self
            .titles
            .iter()
            .map(|(title, figures)| {
                let figures = figures
                    .iter()
                    .map(|(what, figure)| (what.clone(), (*figure).into()));
                (title.clone(), serde_json::Value::Object(figures.collect()))
            })
            .collect();
        serde_json::to_string_pretty(&titles).unwrap()
    }
}
