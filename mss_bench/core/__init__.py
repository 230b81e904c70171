"""What every part uses: audio, tracks, declared parameters, configuration files, text."""
