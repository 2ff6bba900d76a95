"""llama.cpp in our own supervised child process: `engine` is the public part, `child` what runs in the process."""
