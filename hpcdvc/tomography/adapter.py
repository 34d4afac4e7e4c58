def check_function(settings):
    pass


def foreign_level(*a):
    raise NotImplementedError
