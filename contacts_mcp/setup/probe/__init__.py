"""`contacts-mcp probe`: how the service of an account behaves, found out in two minutes (`heymarket-api.md` section 6).

| module | what is in it |
|---|---|
| `questions` | the table of questions: what the contract expects, and the consequence of each position |
| `findings` | positions with their evidence; two answers that disagree leave none |
| `asking` | one request after the other, counted; an answer that proves nothing is asked for again |
| `reading` | the questions that reading answers |
| `writing` | the questions that need a contact of the probe's own |
| `leftovers` | the contacts of a probe, deleted at its end or at the next run |
| `recording` | the exchange as a file without a value of a person |
| `report` | the table, and the same as Markdown |
| `running` | one run from the settings to the profile |

- A position is named only where the answers prove it. Everything else is called not told, with the reason.
- A write counts as carried out only if a look shows the mark that only this write set, and `rev` has grown by one.
"""
