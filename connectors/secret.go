package connectors

import (
	"fmt"
	"log/slog"
)

// shown stands wherever a Secret is printed.
const shown = "[secret]"

// Secret is a text that cannot be shown: every way of printing or marshalling
// it writes [secret]. string(s) is its text.
type Secret string

// String is [secret].
func (Secret) String() string { return shown }

// GoString is [secret].
func (Secret) GoString() string { return shown }

// Format writes [secret] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(shown)) }

// MarshalJSON is "[secret]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + shown + `"`), nil }

// MarshalText is [secret].
func (Secret) MarshalText() ([]byte, error) { return []byte(shown), nil }

// MarshalYAML is [secret].
func (Secret) MarshalYAML() (any, error) { return shown, nil }

// LogValue is [secret].
func (Secret) LogValue() slog.Value { return slog.StringValue(shown) }
