package testenv

// Assets is open to tests.
var Assets = assets
