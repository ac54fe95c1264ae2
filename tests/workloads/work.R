# A bootstrap with R's own generator: state in the interpreter's heap, a growing data frame, a file kept open.
out <- commandArgs(trailingOnly = TRUE)[1]
dir.create(out, recursive = TRUE)
set.seed(42)
log <- file(file.path(out, "log"), "w")
data <- data.frame(x = rnorm(2000), g = sample(letters[1:5], 2000, TRUE))
data$y <- 2 * data$x + as.integer(factor(data$g)) + rnorm(2000)
found <- list()
for (step in 1:80) {
  rows <- sample(nrow(data), replace = TRUE)
  fit <- lm(y ~ x + g, data = data[rows, ])
  found[[step]] <- c(step = step, coef(fit), r = summary(fit)$r.squared)
  cat(sprintf("%d %.15g\n", step, coef(fit)[["x"]]), file = log)
  Sys.sleep(0.07)
}
close(log)
write.csv(do.call(rbind, found), file.path(out, "found.csv"), row.names = FALSE)
print(summary(sapply(found, function(row) row[["x"]])), digits = 12)
