//! What may stand on any line: comments, includes, definitions, sequences, conditions.

use super::State::Honoured;
use super::{Keyword, Shape, Value, k};

/// What may stand on any line: comments, includes, definitions, sequences, conditions.
#[rustfmt::skip]
pub(super) const ANY_LINE: &[Keyword] = &[
    k("!", Shape::Value, "text", Value::Text, "", "", Honoured, "Starts a comment anywhere outside double quotes; backslash escapes it."),
    k("#", Shape::Value, "text", Value::Text, "", "", Honoured, "Starts a comment, as ! does."),
    k("include", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Read the matching files here."),
    k("includer", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Include, and complain when a named file cannot be read."),
    k("includem", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Include, complain on unreadable and on a plain name with no match."),
    k("includew", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Include, complain on unreadable, on a plain name and on a wildcard with no match."),
    k("includeb", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Include, complain on unreadable and on brace alternatives without match."),
    k("includea", Shape::Value, "GLOB", Value::Pattern, "", "", Honoured, "Include with every check enabled."),
    k("$NAME=", Shape::Words, "VALUE | \\ + continued lines", Value::Words, "undefined", "", Honoured, "Define a textual parameter; later definition replaces."),
    k("${NAME}", Shape::Flag, "", Value::Nothing, "left as text if undefined", "", Honoured, "Replaced by the value wherever it appears."),
    k("$NAME", Shape::Words, "followed by blank , ) or end", Value::Nothing, "left as text if undefined", "", Honoured, "Short form of ${NAME}."),
    k("${_PWD}", Shape::Flag, "", Value::Nothing, "", "", Honoured, "Directory of the file being read."),
    k("${_INSTANCE}", Shape::Flag, "", Value::Nothing, "short host name", "", Honoured, "Configuration id (option -i)."),
    k("${_RANDOM}", Shape::Optional, "[MIN [MAX]]", Value::Words, "0 32767", "", Honoured, "Random integer, repeatable with random_seed."),
    k("${_ENV}", Shape::Value, "NAME", Value::Nothing, "empty if unset", "2.4.0", Honoured, "Value of an environment variable."),
    k("${_HASH}", Shape::Flag, "", Value::Nothing, "", "", Honoured, "A literal #."),
    k("${_BANG}", Shape::Flag, "", Value::Nothing, "", "", Honoured, "A literal !."),
    k("~SEQ", Shape::Words, "(VAR, [START,[STEP,]] END) text", Value::Words, "START 1 (-1 if END<0), STEP +-1", "", Honoured, "Repeat the text with VAR running over the sequence.").but("integer, any C base"),
    k("~SEQx", Shape::Words, "(VAR, [START,[STEP,]] END) text", Value::Words, "as ~SEQ", "", Honoured, "As ~SEQ, VAR shown in hexadecimal.").but("non-negative"),
    k("~LST", Shape::Words, "(VAR, v1, v2..) text | ({A,B},{1,2},..) text", Value::Words, "", "", Honoured, "Repeat the text with VAR(s) taking each listed value."),
    k("@ID", Shape::Value, "text", Value::Words, "", "", Honoured, "Keep the line only when ID equals the configuration id."),
    k("@^ID", Shape::Value, "text", Value::Words, "", "", Honoured, "Keep the line only when ID differs from the configuration id."),
];
