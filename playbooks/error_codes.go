package playbooks

// ErrorCodes are the codes of errors that playbooks know: in retry.on and as
// error.code.
func ErrorCodes() []string {
	return []string{
		"throttled", "unavailable", "timeout", "unauthorized", "forbidden", "not_found", "conflict", "locked",
		"invalid", "refused", "limit", "unknown", "failed",
	}
}
