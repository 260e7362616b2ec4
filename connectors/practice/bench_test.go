package practice_test

import (
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func BenchmarkCalls(b *testing.B) {
	c := newClient(b, practicetest.Start(b, practice.Options{}), practice.FullApp())
	item := c.file(payrollURL)
	for _, x := range []struct{ name, method, path, body string }{
		{"permissions", "GET", item + "/permissions", ""},
		{"incidents", "GET", "/v1.0/security/incidents?$expand=alerts", ""},
		{"share", "GET", "/v1.0/shares/" + shareToken(payrollURL) + "/driveItem", ""},
		{"comment", "POST", "/v1.0/security/alerts_v2/" + c.do(200, "GET", "/v1.0/security/alerts_v2?$top=1", "").list()[0]["id"].(string) + "/comments", `{"comment":"x"}`},
		{"state", "GET", "/practice/state", ""},
	} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				c.do(200, x.method, x.path, x.body)
			}
		})
	}
}
