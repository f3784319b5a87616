package estimator

import (
	"github.com/metapilot/metapilot/recommender/model"
)

const (
	// aday is the number of coarse peaks in a day.
	aday = 8
	// enough is how many days have to be known before a season is.
	enough = 3
	// upcoming is for how many coarse peaks of the days before it recommends: the one that has begun and the next.
	upcoming = 2
)

// Seasonal recommends the most that was used on the last days at this time of day and soon after.
func Seasonal(c *model.Container, r model.Resource) Recommendation {
	u := c.Usage(r)
	if u.Span().Hours() < 24*enough {
		return abstain("a season is known after three days")
	}
	var room [model.Week]float64
	weekly := u.Weekly(model.Week, room[:0])
	now := len(weekly) - 1
	most := weekly[now]
	for day := aday; day <= enough*aday; day += aday {
		from := now - day
		most = max(most, highest(weekly[from:from+upcoming]))
	}
	return atLeastNow(c, r, most*spare[r], "the peak of three days at this time of day and the next hours")
}
