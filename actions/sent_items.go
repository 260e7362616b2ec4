package actions

// InSentItems is what a look into Sent Items found of a mail: whether it is there.
func InSentItems(there bool) Finding {
	if there {
		return Finding{Answer: Happened, Why: "the mail lies in Sent Items"}
	}
	return Finding{Answer: DidNot, Why: "the mail does not lie in Sent Items"}
}
