//! `horae help`, and the list of all settings.

use std::process::ExitCode;

use clap::CommandFactory;

use super::{Arguments, banner};
use crate::config::{OTHERS, SETTINGS};

/// Prints what is known of the topic.
pub(super) fn print(topic: Option<&str>) -> ExitCode {
    let mut command = Arguments::command();
    command.build();
    match topic {
        None => banner::line(&command.render_long_help().to_string()),
        Some("config") => banner::line(&settings()),
        Some(name) => match command.find_subcommand_mut(name) {
            Some(found) => banner::line(&found.render_long_help().to_string()),
            None => {
                banner::error(&format!("no command is called `{name}`; horae help lists them"));
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}

fn settings() -> String {
    let mut text = String::from("Settings are environment variables. Every one has a default.\n");
    for setting in SETTINGS.iter().chain(OTHERS) {
        let default = if setting.default.is_empty() { "(none)" } else { setting.default };
        text.push_str(&format!("\n{}\n    default: {default}\n    {}\n", setting.name, setting.help));
    }
    text
}
