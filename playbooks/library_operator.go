package playbooks

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// operators are the functions behind operators that expr's own are not safe
// for: they overflow, divide by zero, compare what cannot be compared, or grow.
func operators() map[string]evaluator {
	return map[string]evaluator{
		"+": evalAdd, "-": evalSubtract, "*": evalMultiply, "/": evalDivide, "%": evalModulo, "**": evalPower,
		"==": evalEqual, "in": evalIn, "..": evalRange,
		"<":          ordered(func(c int) bool { return c < 0 }),
		"<=":         ordered(func(c int) bool { return c <= 0 }),
		">":          ordered(func(c int) bool { return c > 0 }),
		">=":         ordered(func(c int) bool { return c >= 0 }),
		"contains":   onTexts(strings.Contains),
		"startsWith": onTexts(strings.HasPrefix),
		"endsWith":   onTexts(strings.HasSuffix),
	}
}

var (
	errOverflow = errors.New("the number is too large")
	errDivision = errors.New("division by zero")
)

func cannot(op string, a, b any) error {
	return fmt.Errorf("`%s` does not work on %s and %s", op, describe(a), describe(b))
}

// finite lets a number through that is one.
func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, errOverflow
	}
	return f, nil
}

// floats answers both as floats when both are numbers.
func floats(a, b any) (x, y float64, ok bool) {
	x, xok := asFloat(a)
	y, yok := asFloat(b)
	return x, y, xok && yok
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func evalAdd(b *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		if y, ok := args[1].(int); ok {
			return addInts(x, y)
		}
	case string:
		if y, ok := args[1].(string); ok {
			if err := b.text(len(x) + len(y)); err != nil {
				return nil, err
			}
			return x + y, nil
		}
	case time.Time:
		if y, ok := args[1].(time.Duration); ok {
			return x.Add(y), nil
		}
	case time.Duration:
		switch y := args[1].(type) {
		case time.Time:
			return y.Add(x), nil
		case time.Duration:
			sum, err := addInts(int(x), int(y))
			return time.Duration(sum), err
		}
	}
	if x, y, ok := floats(args[0], args[1]); ok {
		return finite(x + y)
	}
	return nil, cannot("+", args[0], args[1])
}

func addInts(x, y int) (int, error) {
	sum := x + y
	if (sum > x) != (y > 0) && y != 0 {
		return 0, errOverflow
	}
	return sum, nil
}

func evalSubtract(_ *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		if y, ok := args[1].(int); ok {
			return subtractInts(x, y)
		}
	case time.Time:
		switch y := args[1].(type) {
		case time.Duration:
			if y == math.MinInt64 {
				return nil, errOverflow
			}
			return x.Add(-y), nil
		case time.Time:
			d := x.Sub(y)
			if d == math.MaxInt64 || d == math.MinInt64 {
				return nil, errOverflow
			}
			return d, nil
		}
	case time.Duration:
		if y, ok := args[1].(time.Duration); ok {
			d, err := subtractInts(int(x), int(y))
			return time.Duration(d), err
		}
	}
	if x, y, ok := floats(args[0], args[1]); ok {
		return finite(x - y)
	}
	return nil, cannot("-", args[0], args[1])
}

func subtractInts(x, y int) (int, error) {
	d := x - y
	if (d < x) != (y > 0) && y != 0 {
		return 0, errOverflow
	}
	return d, nil
}

func evalMultiply(_ *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		switch y := args[1].(type) {
		case int:
			return multiplyInts(x, y)
		case time.Duration:
			p, err := multiplyInts(x, int(y))
			return time.Duration(p), err
		}
	case time.Duration:
		if y, ok := args[1].(int); ok {
			p, err := multiplyInts(int(x), y)
			return time.Duration(p), err
		}
	}
	if x, y, ok := floats(args[0], args[1]); ok {
		return finite(x * y)
	}
	return nil, cannot("*", args[0], args[1])
}

func multiplyInts(x, y int) (int, error) {
	p := x * y
	if x != 0 && (p/x != y || x == -1 && y == math.MinInt) {
		return 0, errOverflow
	}
	return p, nil
}

func evalDivide(_ *budget, args []any) (any, error) {
	x, y, ok := floats(args[0], args[1])
	if a, isDuration := args[0].(time.Duration); isDuration {
		if d, both := args[1].(time.Duration); both {
			x, y, ok = float64(a), float64(d), true
		}
	}
	switch {
	case !ok:
		return nil, cannot("/", args[0], args[1])
	case y == 0:
		return nil, errDivision
	}
	return finite(x / y)
}

func evalModulo(_ *budget, args []any) (any, error) {
	x, xok := args[0].(int)
	y, yok := args[1].(int)
	switch {
	case !xok || !yok:
		return nil, cannot("%", args[0], args[1])
	case y == 0:
		return nil, errDivision
	case y == -1:
		return 0, nil
	}
	return x % y, nil
}

func evalPower(_ *budget, args []any) (any, error) {
	x, y, ok := floats(args[0], args[1])
	if !ok {
		return nil, cannot("**", args[0], args[1])
	}
	return finite(math.Pow(x, y))
}

func evalNegate(_ *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case int:
		return subtractInts(0, x)
	case float64:
		return -x, nil
	case time.Duration:
		d, err := subtractInts(0, int(x))
		return time.Duration(d), err
	}
	return nil, fmt.Errorf("`-` does not work on %s", describe(args[0]))
}

func evalPlus(_ *budget, args []any) (any, error) {
	if _, ok := asFloat(args[0]); !ok {
		return nil, fmt.Errorf("`+` does not work on %s", describe(args[0]))
	}
	return args[0], nil
}

// ordered makes a comparison of what compare answers.
func ordered(holds func(int) bool) evaluator {
	return func(_ *budget, args []any) (any, error) {
		c, err := order(args[0], args[1])
		return holds(c), err
	}
}

// order compares numbers, times or durations; texts have no order that means
// anything in a condition ("10" is before "9").
func order(a, b any) (int, error) {
	if x, y, ok := floats(a, b); ok {
		i, aInt := a.(int)
		j, bInt := b.(int)
		if aInt && bInt {
			return compareInts(i, j), nil
		}
		switch {
		case x < y:
			return -1, nil
		case x > y:
			return 1, nil
		}
		return 0, nil
	}
	switch x := a.(type) {
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return compareInts(int(x), int(y)), nil
		}
	}
	return 0, fmt.Errorf("%s and %s have no order", describe(a), describe(b))
}

func compareInts(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

// onTexts makes an operator of a test on two texts.
func onTexts(test func(s, part string) bool) evaluator {
	return func(b *budget, args []any) (any, error) {
		s, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		part, err := textArgument(args, 1)
		if err != nil {
			return nil, err
		}
		if err := b.read(len(s) + len(part)); err != nil {
			return nil, err
		}
		return test(s, part), nil
	}
}

func textArgument(args []any, i int) (string, error) {
	if s, ok := args[i].(string); ok {
		return s, nil
	}
	return "", fmt.Errorf("a string is needed here, not %s", describe(args[i]))
}

func evalMatches(b *budget, args []any) (any, error) {
	s, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	p := args[1].(*pattern)
	if err := b.read(times(len(s)+1, p.size)); err != nil {
		return nil, err
	}
	return p.re.MatchString(s), nil
}

func evalRange(b *budget, args []any) (any, error) {
	from, ok := args[0].(int)
	to, both := args[1].(int)
	if !ok || !both {
		return nil, cannot("..", args[0], args[1])
	}
	if to < from {
		return []any{}, nil
	}
	n := to - from + 1
	if n <= 0 {
		n = math.MaxInt
	}
	if err := b.list(n); err != nil {
		return nil, err
	}
	if err := b.build(times(n, 8)); err != nil {
		return nil, err
	}
	out := make([]any, n)
	for i := range out {
		out[i] = from + i
	}
	return out, nil
}

func evalEach(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	return items, b.enter(len(items), args[1].(*loopCost))
}

func listArgument(args []any, i int) ([]any, error) {
	if items, ok := args[i].([]any); ok {
		return items, nil
	}
	return nil, fmt.Errorf("a list is needed here, not %s", describe(args[i]))
}

func evalSlice(b *budget, args []any) (any, error) {
	from, to := 0, math.MaxInt
	for i, bound := range []*int{&from, &to} {
		if args[i+1] == nil {
			continue
		}
		n, ok := args[i+1].(int)
		if !ok {
			return nil, fmt.Errorf("a part is taken by whole numbers, not by %s", describe(args[i+1]))
		}
		*bound = n
	}
	switch x := args[0].(type) {
	case []any:
		low, high := bounds(from, to, len(x))
		return x[low:high:high], nil
	case string:
		if err := b.text(4 * len(x)); err != nil {
			return nil, err
		}
		runes := []rune(x)
		low, high := bounds(from, to, len(runes))
		return string(runes[low:high]), nil
	}
	return nil, fmt.Errorf("%s has no parts to take", describe(args[0]))
}

// bounds are those of a part of n items; negative ones count from the end.
func bounds(from, to, n int) (low, high int) {
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	high = min(max(to, 0), n)
	return min(max(from, 0), high), high
}
