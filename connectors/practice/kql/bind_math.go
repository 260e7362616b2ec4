package kql

import (
	"math"
	"time"
)

// shifted is a time moved by a timespan, forward or with -1 back.
func shifted(t, by any, sign int) any {
	at, is := t.(time.Time)
	d, too := by.(time.Duration)
	if !is || !too {
		return nil
	}
	if sign < 0 {
		d = -d
	}
	return inRange(at.Add(d))
}

// arithmetic of numbers, times and timespans.
func (b *binder) arithmetic(x *binary, l, r node) (node, error) {
	typ := Type("")
	switch {
	case numeric(l.typ) && numeric(r.typ):
		typ, _ = common(l.typ, r.typ)
	case l.typ == DateTime && r.typ == DateTime && x.op == "-":
		typ = TimeSpan
	case l.typ == DateTime && r.typ == TimeSpan && (x.op == "-" || x.op == "+"), l.typ == TimeSpan && r.typ == DateTime && x.op == "+":
		typ = DateTime
	case l.typ == TimeSpan && r.typ == TimeSpan && (x.op == "-" || x.op == "+" || x.op == "%"):
		typ = TimeSpan
	case l.typ == TimeSpan && r.typ == TimeSpan && x.op == "/":
		typ = Real
	case l.typ == TimeSpan && numeric(r.typ) && (x.op == "*" || x.op == "/"), numeric(l.typ) && r.typ == TimeSpan && x.op == "*":
		typ = TimeSpan
	default:
		return node{}, semantic(x.place, "%sOperator '%s' cannot be applied to %s and %s. Try adding explicit casts", b.where(), x.op, l.typ, r.typ)
	}
	run := b.run
	return node{typ, func(row []any) any {
		if !run.spend(1) {
			return nil
		}
		return calculated(x.op, typ, l.eval(row), r.eval(row))
	}, false}, nil
}

func calculated(op string, typ Type, a, b any) any {
	switch a := a.(type) {
	case time.Time:
		if b, is := b.(time.Time); is {
			return a.Sub(b)
		}
		if op == "-" {
			return shifted(a, b, -1)
		}
		return shifted(a, b, 1)
	case time.Duration:
		return stretched(op, a, b)
	}
	if d, is := b.(time.Duration); is {
		return stretched(op, d, a)
	}
	if typ == Real {
		x, is := asReal(a).(float64)
		y, too := asReal(b).(float64)
		if !is || !too {
			return nil
		}
		return float(op, x, y)
	}
	x, is := a.(int64)
	y, too := b.(int64)
	if !is || !too {
		return nil
	}
	return whole(op, x, y)
}

func float(op string, x, y float64) any {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	}
	return math.Mod(x, y)
}

func whole(op string, x, y int64) any {
	switch {
	case op == "+":
		return x + y
	case op == "-":
		return x - y
	case op == "*":
		return x * y
	case y == 0:
		return nil
	case op == "/":
		return x / y
	}
	if m := x % y; m < 0 {
		return m + max(y, -y)
	} else {
		return m
	}
}

// stretched calculates with a timespan on the left.
func stretched(op string, d time.Duration, by any) any {
	switch by := by.(type) {
	case time.Time:
		return shifted(by, d, 1)
	case time.Duration:
		switch {
		case op == "+":
			return d + by
		case op == "-":
			return d - by
		case by == 0:
			return nil
		case op == "/":
			return float64(d) / float64(by)
		}
		return d % by
	}
	f, is := asReal(by).(float64)
	if op == "/" {
		f = 1 / f
	}
	out := float64(d) * f
	if !is || math.IsNaN(out) || math.Abs(out) > 9.2e18 {
		return nil
	}
	return time.Duration(out)
}
