library(parallel)
cl <- makePSOCKcluster(3)
f <- function(i) { s <- 0; for (k in 1:400000) s <- s + sin(i * k); s }
for (r in 1:12) { x <- parSapply(cl, 1:6, f); cat(r, sprintf("%.10f", sum(x)), "\n"); flush(stdout()) }
stopCluster(cl)
