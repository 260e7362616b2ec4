package kql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice/kql"
)

// now is the clock of these tests.
func now() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// world is two tables: what people did, and alerts about it.
func world() map[string]*kql.Table {
	at := func(s string) time.Time { t, _ := time.Parse(time.RFC3339, s); return t }
	data := func(cid string) map[string]any {
		return map[string]any{"Data": `{"cid":"` + cid + `","n":[1,2,{"deep":"yes"}]}`, "CreationTime": "2026-11-20T07:39:00", "Count": int64(3)}
	}
	return map[string]*kql.Table{
		"Events": {
			Columns: []kql.Column{{Name: "Timestamp", Type: kql.DateTime}, {Name: "User", Type: kql.String}, {Name: "Size", Type: kql.Long}, {Name: "Raw", Type: kql.Dynamic}},
			Rows: [][]any{
				{at("2026-11-20T07:39:00Z"), "petra.novak@contoso.example", int64(10), data("p1")},
				{at("2026-11-20T08:10:00Z"), "sam.ortiz@contoso.example", int64(30), data("p2")},
				{at("2026-11-20T08:20:00Z"), "petra.novak@contoso.example", int64(20), data("p1")},
				{at("2026-10-01T00:00:00Z"), "old.user@contoso.example", nil, nil},
			},
		},
		"Alerts": {
			Columns: []kql.Column{{Name: "Id", Type: kql.String}, {Name: "Type", Type: kql.String}, {Name: "Start", Type: kql.DateTime}, {Name: "End", Type: kql.DateTime}, {Name: "User", Type: kql.String}},
			Rows: [][]any{
				{"a1", "p1", at("2026-11-20T07:38:00Z"), at("2026-11-20T07:40:00Z"), "petra.novak@contoso.example"},
				{"a2", "p3", at("2026-11-20T07:38:00Z"), at("2026-11-20T07:40:00Z"), "nobody"},
			},
		},
	}
}

func options() kql.Options {
	tables := world()
	return kql.Options{Now: now(), Table: func(n string) (*kql.Table, bool) { t, is := tables[n]; return t, is }}
}

// show writes a table in one line: names, then rows.
func show(t kql.Table) string {
	var b strings.Builder
	for i, c := range t.Columns {
		fmt.Fprintf(&b, "%s%s:%s", map[bool]string{true: " "}[i > 0], c.Name, c.Type)
	}
	for _, r := range t.Rows {
		fmt.Fprintf(&b, " | %s", kql.JSON(r))
	}
	return b.String()
}

func TestQueriesAnswer(t *testing.T) {
	for query, want := range map[string]string{
		`print 1 + 2 * 3 - -1, "a" == "ab"`:                                                       "!",
		`print x = 7 / 2, y = 7.0 / 2, z = -7 % 3, none = 1 / 0`:                                  `x:long y:real z:long none:long | [3,3.5,2,null]`,
		`print strcat("a", 1, true, 2.5), tolower("ÄB"), strlen("äb"), substring("abcdef", 1, 3)`: `print_0:string print_1:string print_2:long print_3:string | ["a1true2.5","äb",2,"bcd"]`,
		`print a = "x\"y\\z\u0041\n", b = @"c:\d ""q""", c = 'it''s'`:                             `a:string b:string c:string | ["x\"y\\zA\n","c:\\d \"q\"","its"]`,
		"print ```two\nlines```":                                                                  `print_0:string | ["two\nlines"]`,
		`print t = datetime(2026-11-20 07:38) + 1h, d = datetime(2026-11-20) - datetime(2026-11-19T12:00:00Z), s = 1d + 30m, back = ago(1d)`:                     `t:datetime d:timespan s:timespan back:datetime | ["2026-11-20T08:38:00.0000000Z","12:00:00","1.00:30:00","2026-11-20T12:00:00.0000000Z"]`,
		`print parse_json('{"a":[1,{"b":"c"}]}').a[1].b, parse_json("no json"), todynamic('5') > 4, dynamic({"k":[1,2]}).k[-1]`:                                  `print_0:dynamic print_1:dynamic print_2:bool print_3:dynamic | ["c","no json",true,2]`,
		`print iff(1 > 2, "a", "b"), case(false, 1, true, 2, 3), coalesce(toint("x"), 4), tobool("TRUE"), toreal("1.5"), tolong(" 12 ")`:                         `print_0:string print_1:long print_2:long print_3:bool print_4:real print_5:long | ["b",2,4,true,1.5,12]`,
		`print split("a/b/c", "/"), split("a/b/c", "/", 1)[0], extract("u=([a-z]+)", 1, "x u=sam;"), indexof("abc", "c")`:                                        `print_0:dynamic print_1:dynamic print_2:string print_3:long | [["a","b","c"],"b","sam",2]`,
		`print "Payroll.xlsx" has "payroll", "Payrolls" has "payroll", "a-payroll" has "PAYROLL", "Payrolls" contains "ROLL", "ab" contains_cs "B"`:              `print_0:bool print_1:bool print_2:bool print_3:bool print_4:bool | [true,false,true,true,false]`,
		`print "ab" startswith "A", "ab" endswith "B", "ab" !startswith "x", "Ab" =~ "aB", "Ab" !~ "aB", "x" in~ ("X"), "x" !in ("X"), "a b" has_any ("c", "B")`: `print_0:bool print_1:bool print_2:bool print_3:bool print_4:bool print_5:bool print_6:bool print_7:bool | [true,true,true,true,false,true,true,true]`,
		`print 5 between (1 .. 5), 6 !between (1 .. 5), "abc" matches regex "^a.c$", not(true), isempty(""), isnotempty("x"), isnull(toint("q"))`:                `print_0:bool print_1:bool print_2:bool print_3:bool print_4:bool print_5:bool print_6:bool | [true,true,true,false,true,true,true]`,
		`Events | where Timestamp > ago(30d) | summarize n = count(), total = sum(Size), avg(Size), max(Timestamp), dcount(User) by User | order by User asc`:    `User:string n:long total:long avg_Size:real max_Timestamp:datetime dcount_User:long | ["petra.novak@contoso.example",2,30,15,"2026-11-20T08:20:00.0000000Z",1] | ["sam.ortiz@contoso.example",1,30,30,"2026-11-20T08:10:00.0000000Z",1]`,
		`Events | summarize count() by bin(Timestamp, 1d) | sort by Timestamp`:                                                                                   `Timestamp:datetime count_:long | ["2026-11-20T00:00:00.0000000Z",3] | ["2026-10-01T00:00:00.0000000Z",1]`,
		`Events | summarize make_set(User), make_list(Size), share = round(100.0 * countif(Size > 15) / count(), 1)`:                                             `set_User:dynamic list_Size:dynamic share:real | [["petra.novak@contoso.example","sam.ortiz@contoso.example","old.user@contoso.example"],[10,30,20],50]`,
		`Events | summarize arg_max(Timestamp, Size) by User | top 1 by Timestamp | project Size`:                                                                `Size:long | [20]`,
		`Events | where isnull(Size) | summarize any(User), sum(Size)`:                                                                                           `User:string sum_Size:long | ["old.user@contoso.example",0]`,
		`Events | where 1 == 2 | count`:             `Count:long | [0]`,
		`Events | where 1 == 2 | summarize count()`: `count_:long | [0]`,
		`Events | distinct User | take 1`:           `User:string | ["petra.novak@contoso.example"]`,
		`Events | extend cid = tostring(parse_json(tostring(Raw.Data)).cid) | project-away Raw, T* | project-rename who = User | take 1`: `who:string Size:long cid:string | ["petra.novak@contoso.example",10,"p1"]`,
		`Events | where Raw.CreationTime > datetime(2026-11-20 07:38) and Raw.Count == 3 | count`:                                        `Count:long | [3]`,

		`Events | order by Size asc | project Size`:                                                                         `Size:long | [null] | [10] | [20] | [30]`,
		`Events | order by Size | project Size`:                                                                             `Size:long | [30] | [20] | [10] | [null]`,
		`let who = "sam.ortiz@contoso.example"; let Mine = Events | where User == who; Mine | count`:                        `Count:long | [1]`,
		`let f = () { Events | take 2 }; f | count`:                                                                         `Count:long | [2]`,
		`let least = toscalar(Events | summarize min(Size)); print least`:                                                   `print_0:long | [10]`,
		`let E = Events; E | where User in (Alerts | project User) | count`:                                                 `Count:long | [2]`,
		`Events | join kind=inner Alerts on User | project User, Size, Id | order by Size asc`:                              `User:string Size:long Id:string | ["petra.novak@contoso.example",10,"a1"] | ["petra.novak@contoso.example",20,"a1"]`,
		`Events | join (Alerts) on User | count`:                                                                            `Count:long | [1]`,
		`Events | join kind=leftouter Alerts on $left.User == $right.User | where isempty(Id) | project Size, User1, Start`: `Size:long User1:string Start:datetime | [30,"",null] | [null,"",null]`,
		`Events | join kind=leftanti (Alerts) on User | summarize count() by User | count`:                                  `Count:long | [2]`,
		`Alerts | join kind=leftsemi Events on User | project Id`:                                                           `Id:string | ["a1"]`,
		`union withsource=T (Events | project User), Alerts | summarize count() by T | order by T asc`:                      `T:string count_:long | ["Alerts",2] | ["union_arg0",4]`,
		`print l = dynamic([1, "b"]), k = "x" | mv-expand l | project k, l`:                                                 `k:string l:dynamic | ["x",1] | ["x","b"]`,
		`range n from 1 to 4 step 1 | where n % 2 == 0 | summarize make_list(n)`:                                            `list_n:dynamic | [[2,4]]`,
		`datatable(a:string, b:long) ["x", 1, "y", 2] | where b > 1 | project a`:                                            `a:string | ["y"]`,
		`Events | take 1 | render timechart`:                                                                                `!`,
		"Events // all of them\n| count // how many":                                                                        `Count:long | [4]`,
		`print ['a b'] = 1 | project ['a b']`:                                                                               `a b:long | [1]`,
	} {
		r, err := kql.Run(query, options())
		if want == "!" {
			if err != nil {
				t.Errorf("%s\n  %v", query, err)
			}
			continue
		}
		if got := show(r.Table); err != nil || got != want {
			t.Errorf("%s\n  got  %s\n  want %s\n  %v", query, got, want, err)
		}
	}
}

func TestErrorsNameTheirPlaceAsKustosDo(t *testing.T) {
	for query, want := range map[string]string{
		`My Not So Valid Query`:                    `1 [1,3] Query could not be parsed at 'Not' on line [1,3]`,
		`completely invalid syntax`:                `1 [1,11] Query could not be parsed at 'invalid' on line [1,11]`,
		"Events\n| joi kind=inner":                 `1 [2,2] Query could not be parsed at 'joi' on line [2,2]: there is no operator of this name here`,
		`Events | where`:                           `1 [1,14] Query could not be parsed at '' on line [1,14]`,
		``:                                         `1 [1,0] Query could not be parsed at '' on line [1,0]: there is no query`,
		`print "open`:                              `1 [1,6] Query could not be parsed at '"' on line [1,6]: the text has no end`,
		`print datetime(yesterday)`:                `1 [1,15] Query could not be parsed at 'yesterday' on line [1,15]: this is no datetime`,
		`print dynamic({)`:                         `1 [1,14] Query could not be parsed at '{' on line [1,14]: expected JSON`,
		`print 99999999999999999999`:               `1 [1,6] Query could not be parsed at '99999999999999999999' on line [1,6]: the number is out of range`,
		"Events\n| where Usr == 'x'":               `2 [2,8] 'where' operator: Failed to resolve column or scalar expression named 'Usr'`,
		`Nowhere | take 1`:                         `2 [1,0] 'where' operator: Failed to resolve table or column expression named 'Nowhere'`,
		`Events | where Timestamp > "x"`:           `2 [1,25] 'where' operator: Cannot compare values of types datetime and string. Try adding explicit casts`,
		`Events | extend x = nosuch(1)`:            `2 [1,20] 'extend' operator: Unknown function: 'nosuch'`,
		`Events | extend x = ago()`:                `2 [1,20] 'extend' operator: ago(): function does not expect 0 argument(s)`,
		`Events | extend x = User.y`:               `2 [1,24] 'extend' operator: Path expression's source must be of type dynamic, and is string; use parse_json()`,
		`Events | join kind=inner (Events) on Raw`: `2 [1,37] join key 'Raw' is of a 'dynamic' type. Please use an explicit cast using extend operator in the join legs (for example, '... | extend Raw = tostring(Raw) | join (... | extend Raw = tostring(Raw)) on Raw') as join on a 'dynamic' type is not supported.`,
		`Events | summarize by Raw`:                `2 [1,22] Summarize group key 'Raw' is of a 'dynamic' type. Please use an explicit cast (for example, 'summarize ... by tostring(Raw)') as grouping by a 'dynamic' type is not supported.`,
		`let t = "Events"; t | take 1`:             `2 [1,18] 't' is a value; expected a table`,
		`Events | where count() > 1`:               `2 [1,15] 'where' operator: Function 'count' cannot be invoked in the current context: it is an aggregation function`,
		`let a = 1`:                                `2 [0,0] No tabular expression statement found`,
		`Events | where User matches regex Raw.x`:  `2 [1,37] 'where' operator: the regular expression must be a constant text`,
	} {
		_, err := kql.Run(query, options())
		e, is := errors.AsType[*kql.Error](err)
		if !is {
			t.Errorf("%s\n  no error of a query: %v", query, err)
			continue
		}
		if got := fmt.Sprintf("%d [%d,%d] %s", e.Kind, e.Line, e.Pos, e.Message); got != want {
			t.Errorf("%s\n  got  %s\n  want %s", query, got, want)
		}
	}
}

func TestWhatTakesTooMuchEnds(t *testing.T) {
	for _, query := range []string{
		`range x from 1 to 1000000000000 step 1`,
		`range x from 1 to 100000 step 1 | extend k = 1 | join kind=inner (range y from 1 to 100000 step 1 | extend k = 1) on k | count`,
		"let a0 = 'aaaaaaaaaaaaaaaa'; " + doubling("let a%d = strcat(a%d, a%d); ", 40) + "print strlen(a40)",
		"let a0 = dynamic([1]); " + doubling("let a%d = pack_array(a%d, a%d); ", 40) + "print tostring(a40)",
		"print " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000),
		"print " + strings.Repeat("-", 5000) + "1",
		"print 1" + strings.Repeat("+1", 100_000),
		"print replace_string(replace_string(replace_string(strcat_array(split('" + strings.Repeat("a", 1000) + "', 'a'), 'a'), 'a', '" + strings.Repeat("a", 3000) + "'), 'a', '" + strings.Repeat("a", 3000) + "'), 'a', 'b')",
	} {
		began := time.Now()
		_, err := kql.Run(query, options())
		e, is := errors.AsType[*kql.Error](err)
		if !is || e.Kind != kql.Limit {
			t.Errorf("%.60s…: %v; want a limit", query, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%.60s… took %s", query, took)
		}
	}
}

func doubling(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i+1, i, i)
	}
	return b.String()
}

// No text makes the engine panic or run on, and an error has one of the three
// kinds.
func FuzzRun(f *testing.F) {
	for _, q := range []string{
		`Events | where Timestamp > ago(30d) and User has "x" | summarize arg_max(Timestamp, *), make_set(Size) by tostring(Raw.a[0]) | top 3 by Timestamp`,
		`let A = Alerts | where Id == ""; Events | extend c = tostring(parse_json(tostring(Raw.Data)).cid) | join kind=inner A on $left.c == $right.Type`,
		`print dynamic({"a":[1,2]}).a[0], @"x""y", 1d, datetime(2026-01-01), 'a' in ('b'), 5 between (1 .. 2) | mv-expand print_0 to typeof(long)`,
		"union withsource=s Events, (Alerts | take 1) | project-away *a* | order by s asc nulls last // c\n| render x", "let f = () { print 1 }; f()", `datatable(a:string)["x"]`,
	} {
		f.Add(q)
	}
	o := options()
	o.Work, o.Bytes = 200_000, 4<<20
	f.Fuzz(func(t *testing.T, query string) {
		r, err := kql.Run(query, o)
		if err != nil {
			if e, is := errors.AsType[*kql.Error](err); !is || e.Kind < kql.Syntax || e.Kind > kql.Limit || e.Message == "" {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		for _, row := range r.Rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%q: a row of %d cells under %d columns", query, len(row), len(r.Columns))
			}
		}
	})
}
