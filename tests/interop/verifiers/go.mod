module zonemint.test/verify

go 1.21
