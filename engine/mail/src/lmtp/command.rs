//! The commands of LMTP and SMTP (RFC 5321, 4.1.1; RFC 2033, 4.1).

/// Longest path between angle brackets, in octets (RFC 5321, 4.5.3.1.3).
const PATH_BYTES_MAX: usize = 254;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `LHLO`: answers are per recipient.
    Lhlo,
    /// `EHLO`.
    Ehlo,
    /// `HELO`.
    Helo,
    /// `MAIL FROM`; `None` is the null sender.
    Mail {
        sender: Option<String>,
        size: Option<u64>,
    },
    /// `RCPT TO`.
    Rcpt { recipient: String },
    /// `DATA`.
    Data,
    /// `RSET`.
    Rset,
    /// `NOOP`.
    Noop,
    /// `VRFY`.
    Vrfy,
    /// `QUIT`.
    Quit,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandError {
    /// No such command here.
    Unknown,
    /// Its argument is not what it takes.
    Syntax,
    /// A parameter of `MAIL` or `RCPT` that was not offered.
    Parameter,
}

impl Command {
    /// Reads a line without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Command, CommandError> {
        let line = std::str::from_utf8(line).map_err(|_| CommandError::Syntax)?;
        let line = line.trim_end_matches([' ', '\t']);
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let argument = argument.trim();
        match verb.to_ascii_uppercase().as_str() {
            "LHLO" => greeting(argument, Command::Lhlo),
            "EHLO" => greeting(argument, Command::Ehlo),
            "HELO" => greeting(argument, Command::Helo),
            "MAIL" => mail(argument),
            "RCPT" => rcpt(argument),
            "DATA" => bare(argument, Command::Data),
            "RSET" => bare(argument, Command::Rset),
            "QUIT" => bare(argument, Command::Quit),
            "NOOP" => Ok(Command::Noop),
            "VRFY" => Ok(Command::Vrfy),
            _ => Err(CommandError::Unknown),
        }
    }
}

fn greeting(argument: &str, command: Command) -> Result<Command, CommandError> {
    match argument {
        "" => Err(CommandError::Syntax),
        _ => Ok(command),
    }
}

fn bare(argument: &str, command: Command) -> Result<Command, CommandError> {
    match argument {
        "" => Ok(command),
        _ => Err(CommandError::Syntax),
    }
}

fn mail(argument: &str) -> Result<Command, CommandError> {
    let (path, parameters) = path(argument, "FROM:")?;
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => size = Some(value.parse().map_err(|_| CommandError::Syntax)?),
            "BODY"
                if ["7BIT", "8BITMIME"]
                    .iter()
                    .any(|body| value.eq_ignore_ascii_case(body)) => {}
            _ => return Err(CommandError::Parameter),
        }
    }
    let sender = (!path.is_empty()).then(|| path.to_owned());
    Ok(Command::Mail { sender, size })
}

fn rcpt(argument: &str) -> Result<Command, CommandError> {
    let (path, parameters) = path(argument, "TO:")?;
    if path.is_empty() {
        return Err(CommandError::Syntax);
    }
    if !parameters.trim().is_empty() {
        return Err(CommandError::Parameter);
    }
    let recipient = path.to_owned();
    Ok(Command::Rcpt { recipient })
}

/// The path behind `FROM:` or `TO:`, and what follows it. A source route is dropped (RFC 5321, C).
fn path<'a>(argument: &'a str, keyword: &str) -> Result<(&'a str, &'a str), CommandError> {
    let keyword_fits = argument
        .get(..keyword.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(keyword));
    if !keyword_fits {
        return Err(CommandError::Syntax);
    }
    let path = argument[keyword.len()..]
        .trim_start()
        .strip_prefix('<')
        .ok_or(CommandError::Syntax)?;
    let (path, parameters) = path
        .split_at_checked(path_end(path).ok_or(CommandError::Syntax)?)
        .ok_or(CommandError::Syntax)?;
    let parameters = &parameters[1..];
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return Err(CommandError::Syntax);
    }
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(CommandError::Syntax)?.1,
        None => path,
    };
    let printable = path.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    if !printable || path.len() > PATH_BYTES_MAX {
        return Err(CommandError::Syntax);
    }
    Ok((path, parameters))
}

/// Where the closing bracket is, outside of a quoted local part.
fn path_end(path: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_read_in_any_case_and_with_what_was_offered() {
        let mail = |sender: &str, size| Command::Mail {
            sender: (!sender.is_empty()).then(|| sender.to_owned()),
            size,
        };
        let rcpt = |recipient: &str| Command::Rcpt {
            recipient: recipient.to_owned(),
        };
        for (line, expected) in [
            ("lhlo mx.example", Ok(Command::Lhlo)),
            ("EHLO [127.0.0.1]", Ok(Command::Ehlo)),
            ("EHLO", Err(CommandError::Syntax)),
            ("MAIL FROM:<>", Ok(mail("", None))),
            (
                "mail from: <a@b.example> SIZE=12 body=8bitmime",
                Ok(mail("a@b.example", Some(12))),
            ),
            ("MAIL FROM:<a@b.example> SIZE=x", Err(CommandError::Syntax)),
            (
                "MAIL FROM:<a@b.example> SMTPUTF8",
                Err(CommandError::Parameter),
            ),
            ("MAIL FROM:<a@b.example>SIZE=1", Err(CommandError::Syntax)),
            ("MAIL FROM:a@b.example", Err(CommandError::Syntax)),
            ("MAIL TO:<a@b.example>", Err(CommandError::Syntax)),
            ("RCPT TO:<reply+x@b.example>", Ok(rcpt("reply+x@b.example"))),
            ("RCPT TO:<\"a>b\"@c.example>", Ok(rcpt("\"a>b\"@c.example"))),
            (
                "RCPT TO:<@r1.example,@r2.example:a@b.example>",
                Ok(rcpt("a@b.example")),
            ),
            ("RCPT TO:<>", Err(CommandError::Syntax)),
            (
                "RCPT TO:<a@b.example> NOTIFY=NEVER",
                Err(CommandError::Parameter),
            ),
            ("RCPT TO:<a\u{1}@b.example>", Err(CommandError::Syntax)),
            ("DATA ", Ok(Command::Data)),
            ("DATA now", Err(CommandError::Syntax)),
            ("NOOP what", Ok(Command::Noop)),
            ("STARTTLS", Err(CommandError::Unknown)),
            ("", Err(CommandError::Unknown)),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_judged_without_a_panic(start in "(MAIL FROM:|RCPT TO:)?", rest in any::<Vec<u8>>()) {
            let _ = Command::parse(&[start.as_bytes(), &rest].concat());
        }
    }
}
