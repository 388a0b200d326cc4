//! The tables of the steps that read text: the expressions of the Python chain, words that mean levels, and names.
//! `shipper_processors.text_plan` collects them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::pattern::{Flags, Pattern};

/// A form of heads: an expression, and the words that its level may have.
pub struct Form {
    pub pattern: Pattern,
    pub words: usize,
    pub time: usize,
    pub level: usize,
    pub logger: usize,
    pub id: usize,
}

/// Words, in lower case, with the levels that they mean.
pub type Words = HashMap<String, String>;

/// The place of all words that a head may have in `Texts::words`, after the schema's.
pub const HEAD_WORDS: usize = 1;

macro_rules! expressions {
    ($($field:ident = $name:literal,)*) => {
        /// The expressions, by module and name.
        pub struct Expressions {
            $(pub $field: Pattern,)*
        }

        impl Expressions {
            fn of(mut table: HashMap<String, Pattern>) -> Result<Expressions, String> {
                let expressions = Expressions {
                    $($field: table.remove($name).ok_or(concat!("texts: no expression `", $name, "`"))?,)*
                };
                match table.keys().min() {
                    None => Ok(expressions),
                    Some(name) => Err(format!("texts: expression `{name}` is unknown")),
                }
            }
        }
    };
}

expressions! {
    time_first = "heads.TIME_FIRST",
    date_first = "heads.DATE_FIRST",
    logger = "heads.LOGGER",
    logger_bracket = "heads.LOGGER_[",
    logger_digit = "heads.LOGGER_0",
    span = "heads.SPAN",
    compose = "heads.COMPOSE",
    trace = "heads.TRACE",
    first_word = "heads.FIRST_WORD",
    priority = "heads.PRIORITY",
    rails_tag = "heads.RAILS_TAG",
    uvicorn = "access.UVICORN",
    prefix = "access.PREFIX",
    client = "access.CLIENT",
    time_at_end = "access.TIME_AT_END",
    common = "access.COMMON",
    hypercorn = "access.HYPERCORN",
    quote = "access.QUOTE",
    user = "access.USER",
    second = "access.SECOND",
    traefik = "access.TRAEFIK",
    ingress = "access.INGRESS",
    daphne = "access.DAPHNE",
    aiohttp = "access.AIOHTTP",
    php_fpm = "access.PHP_FPM",
    django = "access.DJANGO",
    envoy = "access.ENVOY",
    envoy_rest = "access.ENVOY_REST",
    haproxy = "access.HAPROXY",
    uwsgi = "access.UWSGI",
    gin = "access.GIN",
    morgan = "access.MORGAN",
    iis = "access.IIS",
    started = "access.STARTED",
    go_duration = "access.GO_DURATION",
    identifier = "access.IDENTIFIER",
    clf = "access.CLF",
    first_pair = "fields.FIRST_PAIR",
    pair = "fields.PAIR",
    next_key = "fields.NEXT_KEY",
    value = "fields.VALUE",
    console = "fields.CONSOLE",
    tags = "fields.TAGS",
    klog = "fields.KLOG",
    klog_message = "fields.KLOG_MESSAGE",
    one_word = "fields.ONE_WORD",
    logger_after = "fields.LOGGER_AFTER",
    tag = "fields.TAG",
    rfc5424 = "fields.RFC5424",
    element = "fields.ELEMENT",
    parameter = "fields.PARAMETER",
    simple = "fields.SIMPLE",
    monolog = "fields.MONOLOG",
    zap = "fields.ZAP",
    context = "fields.CONTEXT",
    monolog_class = "fields.MONOLOG_CLASS",
    terminal = "cleanup.ESCAPE",
    progress = "cleanup.PROGRESS",
    colour = "lenient.COLOUR",
    array = "split.ARRAY",
    scalar = "split.SCALAR",
    comma = "split.COMMA",
    json_object = "split.JSON_OBJECT",
    time_start = "trace_heads.TIME_START",
    property = "trace_heads.PROPERTY",
    at_frame = "at_frames.FRAME",
    at_error = "at_frames.ERROR",
    python_exception = "python.EXCEPTION",
    python_file = "python.FILE",
    go_start = "go.START",
    go_function = "go.FUNCTION",
    go_place = "go.PLACE",
    go_crash = "summaries.GO",
    rust_start = "rust.START",
    php_trace = "php.TRACE",
    php_class = "summaries.CLASS",
    thrown = "summaries.THROWN",
    ruby_raised = "ruby.RAISED",
    ruby_typed = "ruby.TYPED",
    ruby_from = "ruby.FROM",
    ruby_frame = "ruby.FRAME",
    beam_exception = "beam.EXCEPTION",
    beam_report = "beam.REPORT",
    carp = "other.CARP",
}

macro_rules! names {
    ($($field:ident,)*) => {
        /// Lists of keys, words and endings.
        pub struct Names {
            $(pub $field: Vec<String>,)*
        }

        impl Names {
            fn of(mut table: HashMap<String, Vec<String>>) -> Result<Names, String> {
                let names = Names {
                    $($field: table.remove(stringify!($field))
                        .ok_or(concat!("texts: no names `", stringify!($field), "`"))?,)*
                };
                match table.keys().min() {
                    None => Ok(names),
                    Some(name) => Err(format!("texts: names `{name}` are unknown")),
                }
            }
        }
    };
}

names! {
    time_keys, level_keys, id_keys, logger_keys, usual_keys, request_keys, data_names, error_endings, syslog_levels,
    months, weekdays, methods, access,
}

/// The forms of heads, by the place where they are tried.
#[derive(Default)]
pub struct HeadForms {
    pub digit: Vec<Form>,
    pub bracket: Vec<Form>,
    pub angle: Vec<Form>,
    pub parenthesis: Vec<Form>,
    pub level: Vec<Form>,
    pub date: Vec<Form>,
    pub letter: Vec<Form>,
    pub pairs: Vec<Form>,
    pub after_digit: Vec<Form>,
    pub after_letter: Vec<Form>,
    pub after_sign: HashMap<char, Vec<Form>>,
    pub word: HashMap<String, Vec<Form>>,
}

/// All tables.
pub struct Texts {
    pub expressions: Expressions,
    pub heads: HeadForms,
    pub words: Vec<Words>,
    pub names: Names,
}

impl Texts {
    /// Read the section of the plan; None without expressions. Fails for anything unknown.
    ///
    /// The tables of a version are constant: they are compiled once for all chains of a process.
    pub fn read(section: Value) -> Result<Option<Arc<Texts>>, String> {
        static LAST: Mutex<Option<(Value, Arc<Texts>)>> = Mutex::new(None);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, texts)) = last.as_ref().filter(|(known, _)| *known == section) {
            return Ok(Some(Arc::clone(texts)));
        }
        let texts = Texts::compile(section.clone())?.map(Arc::new);
        *last = texts.clone().map(|texts| (section, texts));
        Ok(texts)
    }

    fn compile(section: Value) -> Result<Option<Texts>, String> {
        let mut section = object(section)?;
        let expressions = array(take(&mut section, "expressions")?)?;
        let words = array(take(&mut section, "words")?)?;
        let heads = array(take(&mut section, "heads")?)?;
        let names = array(take(&mut section, "names")?)?;
        if let Some(key) = section.keys().next() {
            return Err(format!("texts: `{key}` is unknown"));
        }
        if expressions.is_empty() {
            return Ok(None);
        }
        let words: Vec<Words> = words
            .into_iter()
            .map(word_table)
            .collect::<Result<_, _>>()?;
        if words.len() <= HEAD_WORDS {
            return Err("texts: a table of words is missing".into());
        }
        let mut table = HashMap::new();
        for entry in expressions {
            let (name, pattern) = expression(entry)?;
            table.insert(name, pattern);
        }
        let mut forms = HeadForms::default();
        for entry in heads {
            add_forms(&mut forms, entry, words.len())?;
        }
        let listed = names.into_iter().map(named).collect::<Result<_, _>>()?;
        Ok(Some(Texts {
            expressions: Expressions::of(table)?,
            heads: forms,
            words,
            names: Names::of(listed)?,
        }))
    }
}

fn object(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(entries) => Ok(entries),
        other => Err(format!("texts: expected an object, got {other}")),
    }
}

fn array(value: Value) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(format!("texts: expected a list, got {other}")),
    }
}

fn text(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(format!("texts: expected a text, got {other}")),
    }
}

fn take(entries: &mut Map<String, Value>, key: &str) -> Result<Value, String> {
    entries
        .remove(key)
        .ok_or_else(|| format!("texts: `{key}` is missing"))
}

/// Read an expression and its name.
pub fn expression(entry: Value) -> Result<(String, Pattern), String> {
    let mut entry = object(entry)?;
    let (name, pattern) = (
        text(take(&mut entry, "name")?)?,
        text(take(&mut entry, "pattern")?)?,
    );
    let flags = take(&mut entry, "flags")?;
    let flags = flags.as_u64().and_then(Flags::of_python);
    let flags = flags.ok_or_else(|| format!("texts: unknown flags of `{name}`"))?;
    let pattern =
        Pattern::new(&pattern, flags).map_err(|error| format!("texts: `{name}`: {error}"))?;
    Ok((name, pattern))
}

fn pair(entry: Value) -> Result<(Value, Value), String> {
    let mut items = array(entry)?.into_iter();
    match (items.next(), items.next(), items.next()) {
        (Some(first), Some(second), None) => Ok((first, second)),
        _ => Err("texts: expected a pair".into()),
    }
}

fn word_table(table: Value) -> Result<Words, String> {
    let pairs = array(table)?.into_iter().map(pair);
    pairs
        .map(|pair| pair.and_then(|(word, level)| Ok((text(word)?, text(level)?))))
        .collect()
}

fn named(entry: Value) -> Result<(String, Vec<String>), String> {
    let (name, listed) = pair(entry)?;
    let listed = array(listed)?.into_iter().map(text);
    Ok((text(name)?, listed.collect::<Result<_, _>>()?))
}

fn form(entry: Value, tables: usize) -> Result<Form, String> {
    let mut entry = object(entry)?;
    let pattern = text(take(&mut entry, "pattern")?)?;
    let words = take(&mut entry, "words")?.as_u64();
    let words = words.and_then(|place| usize::try_from(place).ok());
    let ascii = Flags {
        ascii: true,
        ..Flags::default()
    };
    let pattern = Pattern::new(&pattern, ascii).map_err(|error| format!("texts: {error}"))?;
    let group = |name: &str| pattern.named(name).unwrap_or(0);
    Ok(Form {
        time: group("time"),
        level: group("level"),
        logger: group("logger"),
        id: group("id"),
        words: words
            .filter(|&place| place < tables)
            .ok_or("texts: an unknown table of words")?,
        pattern,
    })
}

fn add_forms(heads: &mut HeadForms, entry: Value, tables: usize) -> Result<(), String> {
    let mut entry = object(entry)?;
    let name = text(take(&mut entry, "name")?)?;
    let forms = array(take(&mut entry, "forms")?)?;
    let forms: Vec<Form> = forms
        .into_iter()
        .map(|entry| form(entry, tables))
        .collect::<Result<_, _>>()?;
    let place = match name.as_str() {
        "digit" => &mut heads.digit,
        "bracket" => &mut heads.bracket,
        "angle" => &mut heads.angle,
        "parenthesis" => &mut heads.parenthesis,
        "level" => &mut heads.level,
        "date" => &mut heads.date,
        "letter" => &mut heads.letter,
        "pairs" => &mut heads.pairs,
        "after digit" => &mut heads.after_digit,
        "after letter" => &mut heads.after_letter,
        _ => {
            if let Some(word) = name.strip_prefix("word ") {
                heads.word.entry(word.to_string()).or_default()
            } else {
                let sign = name.strip_prefix("after ").and_then(|rest| {
                    let mut signs = rest.chars();
                    signs.next().filter(|_| signs.next().is_none())
                });
                let sign = sign.ok_or_else(|| format!("texts: heads `{name}` are unknown"))?;
                heads.after_sign.entry(sign).or_default()
            }
        }
    };
    *place = forms;
    Ok(())
}
