package playbooks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a duration as playbooks write it: Go's units, and d for
// 24 hours and w for 7 days, as in 30d, 1d12h, 1.5h, -4h0m0s.
func ParseDuration(s string) (time.Duration, error) {
	total, err := parseUnits(s, map[string]float64{
		"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
		"d": 24 * 3600e9, "w": 7 * 24 * 3600e9,
	})
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: write it as 30s, 4h or 7d", shorten(s))
	}
	return time.Duration(total), nil
}

// ParseSize reads a number of bytes: 10MiB, 1.5GB, 512B or 512.
func ParseSize(s string) (int, error) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, nil
	}
	total, err := parseUnits(s, map[string]float64{
		"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	})
	if err != nil {
		return 0, fmt.Errorf("%q is no size: write it as 512B, 10MiB or 1.5GB", shorten(s))
	}
	return int(total), nil
}

// parseUnits adds up parts such as 1d12h. Whole parts are exact.
func parseUnits(s string, units map[string]float64) (int64, error) {
	rest, sign := s, int64(1)
	if after, ok := strings.CutPrefix(rest, "-"); ok {
		rest, sign = after, -1
	}
	if rest == "0" {
		return 0, nil
	}
	if rest == "" || len(rest) > 64 {
		return 0, strconv.ErrSyntax
	}
	var total int64
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		letters := len(rest[digits:]) - len(strings.TrimLeft(rest[digits:], "abcdefghijklmnopqrstuvwxyzµABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		unit, known := units[rest[digits:digits+letters]]
		if !known || digits == 0 {
			return 0, strconv.ErrSyntax
		}
		part, err := parsePart(rest[:digits], unit, sign)
		if err != nil || sign > 0 && total > math.MaxInt64-part || sign < 0 && total < math.MinInt64-part {
			return 0, strconv.ErrRange
		}
		total += part
		rest = rest[digits+letters:]
	}
	return total, nil
}

func parsePart(digits string, unit float64, sign int64) (int64, error) {
	whole, fraction, _ := strings.Cut(digits, ".")
	var n int64
	if whole != "" {
		var err error
		if n, err = strconv.ParseInt(whole, 10, 64); err != nil {
			return 0, err
		}
	}
	u := int64(unit)
	if n > math.MaxInt64/u {
		return 0, strconv.ErrRange
	}
	total := n * u
	if fraction != "" {
		f, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return 0, err
		}
		more := int64(f*unit + 0.5)
		if total > math.MaxInt64-more {
			return 0, strconv.ErrRange
		}
		total += more
	}
	return sign * total, nil
}
