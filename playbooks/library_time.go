package playbooks

import (
	"fmt"
	"time"
)

// timeFunctions give times and durations. The time of an evaluation is one, and
// recorded.
func timeFunctions() map[string]function {
	text := StringType()
	return map[string]function{
		"now": {
			params: []Type{}, result: TimeType(), doc: "The recorded time of this evaluation.",
			example: "now()", eval: func(b *budget, _ []any) (any, error) { return b.now.UTC(), nil },
		},
		"ago": {
			params: []Type{text}, result: TimeType(), doc: "The time that long before now().",
			example: `incident.created_at < ago("30d")`, check: checked(ParseDuration), eval: evalAgo,
		},
		"duration": {
			params: []Type{text}, result: DurationType(), doc: "A length of time: 30s, 4h, 7d, 1d12h.",
			example: `now() - incident.created_at > duration("4h")`, check: checked(ParseDuration), eval: parsedBy(ParseDuration),
		},
		"date": {
			params: []Type{text}, result: TimeType(), doc: "A day (in UTC) or a time by RFC 3339.",
			example: `incident.created_at < date("2026-01-31")`, check: checked(parseDate), eval: parsedBy(parseDate),
		},
		"size": {
			params: []Type{text}, result: SizeType(), doc: "A number of bytes: 512B, 10MiB, 1.5GB.",
			example: `(file.size ?? 0) > size("10MiB")`, check: checked(ParseSize), eval: parsedBy(ParseSize),
		},
	}
}

// checked makes a check of a written argument of a parser.
func checked[T any](parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		_, err := parse(s)
		return err
	}
}

// parsedBy makes a function of a parser.
func parsedBy[T any](parse func(string) (T, error)) evaluator {
	return func(b *budget, args []any) (any, error) {
		s, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		if err := b.read(len(s) + 64); err != nil {
			return nil, err
		}
		v, err := parse(s)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no date: write it as 2026-01-31 or 2026-01-31T09:00:00Z", shorten(s))
}

func evalAgo(b *budget, args []any) (any, error) {
	d, err := parsedBy(ParseDuration)(b, args)
	if err != nil {
		return nil, err
	}
	return evalSubtract(b, []any{b.now.UTC(), d})
}
