package kql

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// FormatSpan writes a timespan as Kusto does: [-][d.]hh:mm:ss[.fffffff].
func FormatSpan(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	ticks := uint64(d) / 100 // also of the least duration, which has no opposite
	days, rest := ticks/864_000_000_000, ticks%864_000_000_000
	seconds := rest / 10_000_000
	out := fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if f := rest % 10_000_000; f > 0 {
		out += fmt.Sprintf(".%07d", f)
	}
	if days > 0 {
		out = strconv.FormatUint(days, 10) + "." + out
	}
	return sign + out
}

var clock = regexp.MustCompile(`^(-)?(?:(\d{1,6})\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$`)

// asSpan reads 30d, 1.02:03:04.5, or a number of days.
func asSpan(v any) any {
	switch v := v.(type) {
	case time.Duration:
		return v
	case string:
		s := strings.TrimSpace(v)
		if m := clock.FindStringSubmatch(s); m != nil {
			return clocked(m)
		}
		neg := strings.HasPrefix(s, "-")
		l := lexer{text: strings.TrimPrefix(s, "-")}
		t, err := l.next()
		if err != nil || l.at != len(l.text) {
			return nil
		}
		var days float64
		switch t.kind {
		case span:
			if neg {
				return -time.Duration(t.num)
			}
			return time.Duration(t.num)
		case number:
			days = float64(t.num)
		case fraction:
			days = t.float
		default:
			return nil
		}
		if neg {
			days = -days
		}
		if math.Abs(days) < 100_000 {
			return time.Duration(days * float64(24*time.Hour))
		}
	}
	return nil
}

func clocked(m []string) any {
	n := func(i int) int64 {
		v, _ := strconv.ParseInt(m[i], 10, 64) // digits only
		return v
	}
	ticks, _ := strconv.ParseInt((m[6] + "0000000")[:7], 10, 64)
	if n(2) > 100_000 || n(3) > 23 || n(4) > 59 || n(5) > 59 {
		return nil
	}
	d := time.Duration((((n(2)*24+n(3))*60+n(4))*60+n(5))*1e9 + ticks*100)
	if m[1] != "" {
		d = -d
	}
	return d
}
