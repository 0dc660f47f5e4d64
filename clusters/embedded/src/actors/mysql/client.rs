//! The programs `mysql` and `mysqladmin`, run in the server's container.
//!
//! Options as in the MySQL 8.0 Reference Manual, "mysql Client Options"; only `-e` is played, no prompt.

use rusqlite::types::ValueRef;

use super::directory::{Directory, SqlError, VERSION};
use crate::actors::Ended;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    user: String,
    password: Option<String>,
    host: String,
    database: String,
    statements: Option<String>,
    names: bool,
    words: Vec<String>,
}

const OPTIONS_WITH_VALUE: &[(char, &str)] =
    &[('u', "user"), ('p', "password"), ('h', "host"), ('P', "port"), ('D', "database"), ('e', "execute")];
const LOCAL: &[&str] = &["", "localhost", "127.0.0.1"];
const PASSWORD_SHOWN: &str = ": [Warning] Using a password on the command line interface can be insecure.\n";

/// A shell's `IFS= read -r NAME && export NAME && exec "$@"` before a command: the variable that the first line of the
/// input is, and the command. Any other command is itself.
pub(super) fn with_variable<'a>(command: &'a [String], stdin: &[u8]) -> (Option<(String, String)>, &'a [String]) {
    let read = |script: &str| {
        let (name, rest) = script.strip_prefix("IFS= read -r ")?.split_once(' ')?;
        (rest == format!("&& export {name} && exec \"$@\"")).then(|| name.to_owned())
    };
    match command {
        [shell, option, script, _, rest @ ..] if shell == "sh" && option == "-c" => match read(script) {
            Some(name) => {
                let line = String::from_utf8_lossy(stdin).lines().next().unwrap_or_default().to_owned();
                (Some((name, line)), rest)
            }
            None => (None, command),
        },
        _ => (None, command),
    }
}

/// Runs a program; `None` if it is none of these.
pub(super) fn run(
    program: &str,
    arguments: &[String],
    password: Option<&String>,
    directory: &Directory,
) -> Option<Ended> {
    if !matches!(program, "mysql" | "mysqladmin") {
        return None;
    }
    if asks_nobody(arguments) {
        let told = format!("{program}  Ver {VERSION}\n");
        return Some(Ended { stdout: told.into_bytes(), ..Ended::default() });
    }
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(why) => return Some(failed(format!("{program}: [ERROR] {program}: {why}\n"), 2)),
    };
    let mut ended = answer(program, &options, password.map_or("", String::as_str), directory);
    if options.password.is_some() {
        ended.stderr = [format!("{program}{PASSWORD_SHOWN}").into_bytes(), ended.stderr].concat();
    }
    Some(ended)
}

/// Whether a command is done without the server.
pub(super) fn asks_nobody(words: &[String]) -> bool {
    words.iter().any(|word| matches!(word.as_str(), "--version" | "-V"))
}

fn answer(program: &str, options: &Options, password: &str, directory: &Directory) -> Ended {
    if !LOCAL.contains(&options.host.as_str()) {
        return failed(format!("ERROR 2005 (HY000): Unknown MySQL server host '{}' (-2)\n", options.host), 1);
    }
    let password = options.password.as_deref().unwrap_or(password);
    if let Err(error) = directory.authenticate(&options.user, password) {
        return failed(told(&error, false), 1);
    }
    if program == "mysqladmin" {
        return match options.words.first().map(String::as_str) {
            Some("ping") => Ended { stdout: b"mysqld is alive\n".to_vec(), ..Ended::default() },
            other => failed(format!("mysqladmin: Unknown command: '{}'\n", other.unwrap_or_default()), 1),
        };
    }
    let database = options.words.first().map_or(options.database.as_str(), String::as_str);
    if !database.is_empty() && !directory.databases().iter().any(|known| known == database) {
        let error = SqlError { number: 1049, state: "42000", text: format!("Unknown database '{database}'") };
        return failed(told(&error, false), 1);
    }
    let mut ended = Ended::default();
    for statement in statements(options.statements.as_deref().unwrap_or_default()) {
        match execute(&statement, database, options.names, directory) {
            Ok(lines) => ended.stdout.extend(lines.into_bytes()),
            Err(error) => {
                ended.stderr = told(&error, true).into_bytes();
                ended.code = 1;
                break;
            }
        }
    }
    ended
}

/// One statement's result: a line a row, its columns divided by tabs.
fn execute(statement: &str, database: &str, names: bool, directory: &Directory) -> Result<String, SqlError> {
    let show = statement.split_whitespace().map(str::to_ascii_lowercase).collect::<Vec<_>>().join(" ");
    if show == "show databases" {
        return Ok(column("Database", names, &directory.databases()));
    }
    if database.is_empty() {
        return Err(SqlError { number: 1046, state: "3D000", text: "No database selected".to_owned() });
    }
    let (statement, title) = if show == "show tables" {
        let all = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        (all, Some(format!("Tables_in_{database}")))
    } else {
        (statement, None)
    };
    let work = |connection: &rusqlite::Connection| {
        let mut prepared = connection.prepare(statement)?;
        let count = prepared.column_count();
        let mut lines = String::new();
        if names && count > 0 {
            let titles: Vec<String> = prepared.column_names().map(str::to_owned).collect();
            lines.push_str(&(title.unwrap_or_else(|| titles.join("\t")) + "\n"));
        }
        let mut rows = prepared.query([])?;
        while let Some(row) = rows.next()? {
            let cells: Vec<String> = (0..count).map(|at| row.get_ref(at).map(cell)).collect::<Result<_, _>>()?;
            lines.push_str(&(cells.join("\t") + "\n"));
        }
        Ok(lines)
    };
    if database == "information_schema" { directory.with_schema(work) } else { directory.with(database, work) }
}

fn column(title: &str, names: bool, values: &[String]) -> String {
    let title = names.then(|| title.to_owned());
    title.iter().chain(values).map(|line| format!("{line}\n")).collect()
}

/// A value as the client prints it in batch mode: tabs and line ends are escaped.
fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
        }
    }
}

/// The statements of a text, divided by semicolons outside of quotes.
fn statements(text: &str) -> Vec<String> {
    let (mut all, mut one, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match (c, quote) {
            (';', None) => all.push(std::mem::take(&mut one)),
            ('\'' | '"' | '`', None) => {
                quote = Some(c);
                one.push(c);
            }
            _ => {
                if Some(c) == quote {
                    quote = None;
                }
                one.push(c);
            }
        }
    }
    all.push(one);
    all.retain(|statement| !statement.trim().is_empty());
    all
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { user: "root".to_owned(), names: true, ..Options::default() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let takes_value = OPTIONS_WITH_VALUE.iter().any(|(_, known)| *known == name);
            match (name, value) {
                ("skip-column-names", None) => options.names = false,
                ("batch" | "silent" | "raw", None) => {}
                (_, Some(value)) if takes_value => set(&mut options, name, value.to_owned()),
                (_, None) if takes_value && name != "password" => {
                    let value = rest.next().ok_or_else(|| format!("option '--{name}' requires an argument"))?;
                    set(&mut options, name, value.clone());
                }
                _ => return Err(format!("unknown option '{argument}'")),
            }
        } else if let Some(short) = argument.strip_prefix('-').filter(|short| !short.is_empty()) {
            for (at, flag) in short.char_indices() {
                if let Some((_, name)) = OPTIONS_WITH_VALUE.iter().find(|(known, _)| *known == flag) {
                    let attached = &short[at + flag.len_utf8()..];
                    let value = match attached {
                        "" if *name == "password" => String::new(),
                        "" => rest.next().cloned().ok_or_else(|| format!("option '-{flag}' requires an argument"))?,
                        attached => attached.to_owned(),
                    };
                    set(&mut options, name, value);
                    break;
                }
                match flag {
                    'N' => options.names = false,
                    'B' | 's' | 'r' => {}
                    _ => return Err(format!("unknown option '-{flag}'")),
                }
            }
        } else {
            options.words.push(argument.clone());
        }
    }
    Ok(options)
}

fn set(options: &mut Options, name: &str, value: String) {
    match name {
        "user" => options.user = value,
        "password" => options.password = Some(value),
        "host" => options.host = value,
        "database" => options.database = value,
        "execute" => options.statements = Some(value),
        _ => {}
    }
}

fn told(error: &SqlError, at_line: bool) -> String {
    let at = if at_line { " at line 1" } else { "" };
    format!("ERROR {} ({}){at}: {}\n", error.number, error.state, error.text)
}

fn failed(complaint: String, code: u8) -> Ended {
    Ended { stderr: complaint.into_bytes(), code, ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ran(directory: &Directory, line: &[&str]) -> (String, String, u8) {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let ended = run("mysql", &words, None, directory).unwrap();
        (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap(), ended.code)
    }

    fn directory() -> Directory {
        let directory = Directory::default();
        directory.initialise(String::new());
        directory.create_database("mlpipeline");
        directory.with("mlpipeline", |db| db.execute_batch("CREATE TABLE t (a TEXT, b INTEGER)")).unwrap();
        directory.with("mlpipeline", |db| db.execute("INSERT INTO t VALUES ('x\ty', 2)", [])).unwrap();
        directory
    }

    #[test]
    fn the_client_answers_in_batch_mode() {
        let directory = directory();
        let ok = |text: &str| (text.to_owned(), String::new(), 0);
        assert_eq!(ran(&directory, &["-uroot", "-NBe", "SELECT a, b FROM t", "mlpipeline"]), ok("x\\ty\t2\n"));
        assert_eq!(
            ran(&directory, &["-u", "root", "-e", "SELECT b FROM t; SELECT 1", "-Dmlpipeline"]),
            ok("b\n2\n1\n1\n")
        );
        assert_eq!(ran(&directory, &["--execute=show tables", "mlpipeline", "--skip-column-names"]), ok("t\n"));
        let lines = ran(&directory, &["-NBe", "SHOW DATABASES"]).0;
        assert!(lines.contains("mlpipeline\n"), "{lines}");
    }

    #[test]
    fn a_variable_may_come_in_the_first_line_of_the_input() {
        let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let script = "IFS= read -r MYSQL_PWD && export MYSQL_PWD && exec \"$@\"";
        let line = words(&["sh", "-c", script, "sh", "mysql", "-uroot"]);
        let (given, rest) = with_variable(&line, b" p'w \nmore");
        assert_eq!(given, Some(("MYSQL_PWD".to_owned(), " p'w ".to_owned())));
        assert_eq!(rest, words(&["mysql", "-uroot"]));
        for other in [["sh", "-c", "IFS= read -r A && export B && exec \"$@\"", "sh"], ["mysql", "-e", script, "x"]] {
            assert_eq!(with_variable(&words(&other), b"x"), (None, &words(&other)[..]));
        }
    }

    #[test]
    fn refusals_are_the_servers() {
        let directory = directory();
        let refused = |line: &[&str], text: &str| {
            let (_, stderr, code) = ran(&directory, line);
            assert!(code != 0 && stderr.contains(text), "{line:?}: {stderr}");
        };
        refused(&["-uroot", "-pwrong", "-e", "SELECT 1", "mlpipeline"], "ERROR 1045 (28000): Access denied for user");
        refused(&["-ukatib", "-e", "SELECT 1"], "(using password: NO)");
        refused(&["-e", "SELECT 1", "absent"], "ERROR 1049 (42000): Unknown database 'absent'");
        refused(&["-e", "SELECT * FROM u", "mlpipeline"], "ERROR 1146 (42S02) at line 1: Table 'mlpipeline.u'");
        refused(&["-e", "SELEC", "mlpipeline"], "ERROR 1064 (42000)");
        refused(&["-h", "db.example", "-e", "SELECT 1"], "ERROR 2005 (HY000)");
        refused(&["-e", "SELECT 1"], "ERROR 1046 (3D000)");
        refused(&["--what"], "unknown option");
    }

    proptest! {
        #[test]
        fn any_command_line_is_answered(line in proptest::collection::vec(".{0,20}", 0..6)) {
            prop_assert!(run("mysql", &line, None, &Directory::default()).is_some());
        }

        #[test]
        fn any_text_is_divided(text in ".{0,80}") {
            let _ = statements(&text);
        }
    }
}
