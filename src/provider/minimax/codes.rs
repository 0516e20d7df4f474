//! The codes of `MiniMax`. <https://platform.minimax.io/docs>

use serde_json::Value;

use super::super::error::{Error, tame};

/// The code of an answer without an error.
const FINE: i64 = 0;

/// Sorts the error in `base_resp`, if there is one.
pub(super) fn error_in(answer: &Value, secrets: &[&str]) -> Option<Error> {
    let base = answer.get("base_resp")?;
    let code = number(base.get("status_code")?)?;
    if code == FINE {
        return None;
    }
    let said = base.get("status_msg").and_then(Value::as_str).unwrap_or_default();
    let message = worded(&tame(said, secrets), code);
    Some(by_code(code, message.clone()).unwrap_or(Error::Broken { message }))
}

/// Sorts the error of a failed task of the second API, whose code is a number in a string.
pub(super) fn of_task(error: &Value, secrets: &[&str]) -> Error {
    let said = error.get("message").and_then(Value::as_str).unwrap_or_default();
    let code = error.get("code").and_then(number);
    let message = match (tame(said, secrets), code) {
        (said, Some(code)) => worded(&said, code),
        (said, None) if said.is_empty() => "the task failed without a reason".to_owned(),
        (said, None) => said,
    };
    let sorted = code.and_then(|code| by_code(code, message.clone()));
    sorted.unwrap_or(Error::Broken { message })
}

/// Sorts an error of the second API again by the code at the end of its words, `… (1026)`, which
/// says more than the status that it was sorted by: what a status means in general is left alone.
pub(super) fn by_bracket(error: Error) -> Error {
    match error {
        Error::RefusedInput { message } => {
            let words = message.rsplit_once(" (HTTP").map_or(message.as_str(), |(words, _)| words);
            let code = words.trim_end().strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
            let code = code.and_then(|(_, code)| code.parse().ok());
            let sorted = code.and_then(|code| by_code(code, message.clone()));
            sorted.unwrap_or(Error::RefusedInput { message })
        }
        Error::Moderated { .. }
        | Error::OutOfFunds { .. }
        | Error::Unauthorised { .. }
        | Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::Broken { .. }
        | Error::Truncated { .. }
        | Error::Timeout { .. }
        | Error::Transport { .. }
        | Error::AmbiguousStart { .. }
        | Error::Expired { .. }
        | Error::Protocol { .. } => error,
    }
}

fn worded(said: &str, code: i64) -> String {
    if said.is_empty() { format!("code {code}") } else { format!("{said} (code {code})") }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// The table; `None` for a code that is not in it.
fn by_code(code: i64, message: String) -> Option<Error> {
    let retry_after = None;
    Some(match code {
        1000 | 1013 | 1024 => Error::Broken { message },
        1001 | 1033 => Error::Busy { message, retry_after },
        1002 | 1039 | 1041 | 2045 => Error::RateLimited { message, retry_after },
        1004 | 2038 | 2049 => Error::Unauthorised { message },
        1008 | 2056 | 2061 => Error::OutOfFunds { message },
        1026 | 1027 => Error::Moderated { message },
        1042..=1044 | 2013 | 2037 | 2039 | 2042 | 2048 | 20132 => Error::RefusedInput { message },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_code_has_its_sort() {
        let sorts: [(&str, &[i64]); 7] = [
            ("broken", &[1000, 1013, 1024, 4711]),
            ("busy", &[1001, 1033]),
            ("rate_limited", &[1002, 1039, 1041, 2045]),
            ("unauthorised", &[1004, 2038, 2049]),
            ("out_of_funds", &[1008, 2056, 2061]),
            ("moderated", &[1026, 1027]),
            ("refused_input", &[1042, 1043, 1044, 2013, 2037, 2039, 2042, 2048, 20132]),
        ];
        for (sort, codes) in sorts {
            for code in codes {
                let number = json!({"base_resp": {"status_code": code, "status_msg": "so"}});
                let error = error_in(&number, &[]).unwrap();
                assert_eq!(error.code(), sort, "{code}");
                assert_eq!(error.into_message(), format!("so (code {code})"));
                let text = json!({"base_resp": {"status_code": code.to_string()}});
                assert_eq!(error_in(&text, &[]).unwrap().code(), sort, "{code}");
                let task = json!({"code": code.to_string(), "message": "so"});
                assert_eq!(of_task(&task, &[]).code(), sort, "{code}");
            }
        }
        assert_eq!(error_in(&json!({"base_resp": {"status_code": 0}}), &[]), None);
        assert_eq!(error_in(&json!({"task_id": "1"}), &[]), None);
    }

    #[test]
    fn the_code_in_brackets_says_more_than_the_status() {
        let refused = |message: &str| Error::RefusedInput { message: message.to_owned() };
        let sort = |message| by_bracket(refused(message)).code();
        assert_eq!(sort("input sensitive (1026) (HTTP 422)"), "moderated");
        assert_eq!(sort("no balance (1008)"), "out_of_funds");
        assert_eq!(sort("bad (9999) (HTTP 400)"), "refused_input");
        assert_eq!(sort("bad (HTTP 400)"), "refused_input");
    }
}
