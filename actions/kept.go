package actions

import (
	"encoding/json"
	"fmt"
)

// JSON writes what an effect keeps: the state of a target, a request. It is for
// values of a shelf's own types, which always can be written.
func JSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("actions: %T: %v", v, err))
	}
	return b
}

// Kept reads what JSON wrote, perhaps in another version of stanch: what does
// not fit is an error of code `invalid`, and nothing is sent. what names it.
func Kept[T any](b json.RawMessage, what string) (T, error) {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		return v, &KeptError{What: what, Cause: err}
	}
	return v, nil
}

// KeptError is returned by Kept.
type KeptError struct {
	What  string
	Cause error
}

func (e *KeptError) Error() string {
	return fmt.Sprintf("the %s of the effect cannot be read, it was kept by another version: %v", e.What, e.Cause)
}

// Unwrap is why it cannot be read.
func (e *KeptError) Unwrap() error { return e.Cause }

// ErrorCode is `invalid`.
func (e *KeptError) ErrorCode() string { return "invalid" }

// Unsure is false: nothing was sent.
func (e *KeptError) Unsure() bool { return false }
