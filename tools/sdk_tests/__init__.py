"""The xAI SDK's own tests against Vitrail: `make sdk-tests`. No line of them is in this repository."""
