"""The main job on a small scale: 60 labelled pairs of our own and a small judge from a package."""
